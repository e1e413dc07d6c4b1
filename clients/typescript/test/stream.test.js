/** Streams that a real gateway does not show on demand. This server cuts them, keeps them back, or tells old states. */

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { afterEach, beforeEach, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import { ApiError, createInbox, InvalidResponseError, NetworkError, ReadState, TimeoutError } from '@readstate/client';

let server;
let baseUrl;
/** Answers a request for the stream. */
let stream;
/** What is unread, for who asks without a stream. */
let state;
let asked;
const ends = [];

// Each test has a server of its own: `fetch` would use connections again that the last test has cut.
beforeEach(async () => {
  server = createServer(answer).listen(0, '127.0.0.1');
  await once(server, 'listening');
  baseUrl = `http://127.0.0.1:${server.address().port}`;
  asked = [];
  state = { head: 5, unread_count: 3, version: 7 };
});
afterEach(() => {
  for (const end of ends.splice(0)) end();
  server.closeAllConnections();
  server.close();
});

function answer(request, response) {
  const way = request.url.split('/').at(-1);
  asked.push(way);
  if (way === 'stream') return stream(request, response);
  if (way === 'unread-summary') return response.writeHead(403).end('{"error":{"message":"No"}}');
  const etag = `"${JSON.stringify(state).length}-${state.version}"`;
  if (request.headers['if-none-match'] === etag) {
    asked.push(304);
    return response.writeHead(304, { etag }).end();
  }
  return response.writeHead(200, { etag }).end(JSON.stringify(state));
}

const client = (options = {}) => new ReadState({ baseUrl, token: 'a.b.c', ...options });
const begin = (response) => response.writeHead(200, { 'content-type': 'text/event-stream' });
const event = (version, head = 5) =>
  `event: unread\ndata: ${JSON.stringify({ unread_count: 3, head, version, notifications: null })}\n\n`;

async function statesOf(options = {}, from = client()) {
  const states = [];
  const end = await from.watchUnread((state) => states.push(state.version), options);
  return { states, end };
}

function open(options = {}) {
  const inbox = createInbox(client(), { share: false, ...options });
  const versions = [];
  const statuses = [];
  const errors = [];
  ends.push(
    inbox.subscribe(() => {
      const { unread, status, offlineError } = inbox.getSnapshot();
      if (unread && unread.version !== versions.at(-1)) versions.push(unread.version);
      if (status !== statuses.at(-1)) statuses.push(status);
      if (status === 'offline') errors.push(String(offlineError.cause?.cause ?? offlineError));
    }),
  );
  return { inbox, versions, statuses, errors };
}

async function until(isSo, milliseconds = 10_000) {
  for (const start = Date.now(); Date.now() < start + milliseconds; await sleep(10)) if (isSo()) return;
  assert.fail(`not so: ${isSo}`);
}

// ── One stream ───────────────────────────────────────────────────────────────────────────────────────────────────────

test('events are read in whatever pieces they come', async () => {
  const second = 'event:unread\rdata:{"unread_count":3,\rdata: "head":5,"version":2}\r\rdata: other\n\n';
  const text = `:\n\nretry: 750\r\n${event(1)}${second}`;
  for (const size of [1, 2, 7, 1_000]) {
    stream = async (_, response) => {
      begin(response);
      for (let at = 0; at < text.length; at += size) {
        response.write(text.slice(at, at + size));
        await new Promise(setImmediate);
      }
      response.end('event: unread\ndata: {"unread_count":3,"head":5,"version":9}');
    };
    const { states, end } = await statesOf();
    // The last event has no end, so it does not count.
    assert.deepEqual([states, end], [[1, 2], { retryAfter: 750 }], `pieces of ${size}`);
  }
});

test('a refused token is renewed for a stream', async () => {
  const seen = [];
  stream = (request, response) => {
    seen.push(request.headers.authorization);
    if (seen.length === 1) response.writeHead(401).end('{}');
    else begin(response).end(event(1));
  };
  const from = client({ token: (renew) => (renew ? 'new' : 'old') });
  assert.deepEqual((await statesOf({}, from)).states, [1]);
  assert.deepEqual(seen, ['Bearer old', 'Bearer new']);
});

test('what goes wrong has a name', async () => {
  stream = (_, response) => response.writeHead(404).end('{"error":{"message":"Not found"}}');
  await assert.rejects(statesOf(), (error) => error instanceof ApiError && error.message === 'Not found');
  stream = (_, response) => response.writeHead(200, { 'content-type': 'text/html' }).end('<p>Sign in');
  await assert.rejects(statesOf(), InvalidResponseError);
  stream = (_, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream', 'content-length': 1_000 });
    response.write(event(1), () => response.destroy());
  };
  await assert.rejects(statesOf(), NetworkError);
  stream = () => undefined;
  await assert.rejects(statesOf({ timeout: 50 }), TimeoutError);
  stream = (_, response) => begin(response).write(event(1));
  await assert.rejects(statesOf({ idleTimeout: 50 }), TimeoutError);
  const reason = new Error('gone');
  await assert.rejects(statesOf({ signal: AbortSignal.abort(reason) }), reason);
});

// ── An inbox on streams ──────────────────────────────────────────────────────────────────────────────────────────────

test('the first state of a stream counts as it is, later ones only if they are not older', async () => {
  const scripts = [event(5) + event(4) + event(6, 4) + event(6), event(2) + event(3)];
  stream = (_, response) => begin(response)[scripts.length > 1 ? 'end' : 'write'](`retry: 1\n${scripts.shift()}`);
  const { versions } = open();
  await until(() => versions.at(-1) === 3);
  assert.deepEqual(versions, [5, 6, 2, 3]);
});

for (const [name, answers] of [
  ['a server without streams', (_, response) => response.writeHead(404).end('{}')],
  ['a server with too many', (_, response) => response.writeHead(429).end('{}')],
  ['a portal that answers itself', (_, response) => response.writeHead(200, { 'content-type': 'text/html' }).end('Hi')],
]) {
  test(`${name} is asked instead, and says when nothing has changed`, async () => {
    stream = answers;
    const { statuses, errors, inbox } = open({ pollInterval: 60 });
    await until(() => asked.filter((way) => way === 304).length >= 2);
    assert.deepEqual(statuses.slice(-1), ['polling']);
    assert.deepEqual(errors, []);
    state = { ...state, version: 8, unread_count: 2 };
    await until(() => inbox.getSnapshot().unread.unread_count === 2);
    assert.equal(asked.filter((way) => way === 'stream').length, 1);
  });
}

test('streams that always break are given up for a while', async () => {
  stream = (_, response) => response.destroy();
  const { inbox } = open({ pollInterval: 60 });
  await until(() => inbox.getSnapshot().status === 'polling', 15_000);
  // One more try after the first answer: it might have been the network.
  await until(() => asked.filter((way) => way === 304).length >= 2);
  assert.equal(asked.filter((way) => way === 'stream').length, 4);
});

test('after a break the inbox tries again, and is live again', async () => {
  let broken = false;
  stream = (_, response) => {
    if (broken) response.destroy();
    else begin(response).write(event(1));
  };
  const { inbox } = open();
  await until(() => inbox.getSnapshot().status === 'live');
  broken = true;
  server.closeAllConnections();
  await until(() => inbox.getSnapshot().status === 'offline');
  assert.ok(inbox.getSnapshot().offlineError instanceof NetworkError);
  broken = false;
  await until(() => inbox.getSnapshot().status === 'live');
  assert.equal(inbox.getSnapshot().offlineError, null);
});

test('after a sleep the inbox does not trust its stream', async (context) => {
  stream = (_, response) => begin(response).write(event(asked.length));
  const { versions } = open();
  await until(() => versions.length === 1);
  const now = Date.now.bind(Date);
  context.mock.method(Date, 'now', () => now() + 3_600_000);
  await until(() => versions.length === 2);
});
