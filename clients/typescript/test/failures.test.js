/** Failures that a real gateway does not show on demand. This server stalls, breaks off, or is not readstate. */

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { after, before, beforeEach, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import * as readstate from '../dist/index.js';

const { ApiError, InvalidResponseError, NetworkError, ReadState, ReadStateError, ServerError, TimeoutError } =
  readstate;

let server;
let baseUrl;
let answer;
let requests;

before(async () => {
  server = createServer((request, response) => {
    requests.push(request);
    answer(request, response);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  baseUrl = `http://127.0.0.1:${server.address().port}`;
});
beforeEach(() => {
  requests = [];
});
after(() => {
  server.closeAllConnections();
  server.close();
});

function client(options = {}) {
  return new ReadState({ baseUrl, token: 'a.b.c', ...options });
}

function says(status, body, headers = {}) {
  answer = (_, response) => response.writeHead(status, headers).end(body);
}

const stall = () => undefined;

// ── Statuses ─────────────────────────────────────────────────────────────────────────────────────────────────────────

const KINDS = [
  [400, 'BadRequestError', false],
  [401, 'UnauthorizedError', false],
  [403, 'ForbiddenError', false],
  [404, 'NotFoundError', false],
  [405, 'ApiError', false],
  [409, 'ConflictError', false],
  [413, 'PayloadTooLargeError', false],
  [422, 'IdempotencyKeyReusedError', false],
  [429, 'TooManyRequestsError', true],
  [500, 'ServerError', false],
  [502, 'ServerError', true],
  [503, 'UnavailableError', true],
  [504, 'GatewayTimeoutError', true],
];

for (const [status, name, isTransient] of KINDS) {
  test(`the status ${status} becomes a ${name}`, async () => {
    says(status, '{"error":"Because"}', { 'x-request-id': 'r-1' });
    await assert.rejects(client().markSystemEventAsRead(1), (error) => {
      assert.equal(error.constructor, readstate[name]);
      assert.ok(error instanceof ApiError && error instanceof ReadStateError && error instanceof Error);
      assert.equal(error instanceof ServerError, status >= 500);
      assert.equal(String(error), `${name}: Because`);
      const { type, code, param, retryAfter, requestId } = error;
      assert.deepEqual({ type, code, param, retryAfter }, { type: null, code: null, param: null, retryAfter: null });
      assert.deepEqual([error.status, requestId, error.isTransient], [status, 'r-1', isTransient]);
      return true;
    });
  });
}

test('an error of notifications has a type, a code, a parameter and a hint to try again', async () => {
  const told = { type: 'api_error', code: 'strange', message: 'Well', param: 'limit', is_transient: true };
  says(500, JSON.stringify({ error: told }));
  const expected = { message: 'Well', type: 'api_error', code: 'strange', param: 'limit', isTransient: true };
  await assert.rejects(client().getUnreadSummary(), { name: 'ServerError', status: 500, ...expected });
});

for (const body of ['<html>Bad Gateway</html>', '', '[]', 'null', '{"error":null}', '{"error":{"message":7}}']) {
  test(`an error from another server shows its status: ${body}`, async () => {
    says(502, body);
    await assert.rejects(client().getUnreadSummary(), { name: 'ServerError', message: 'HTTP status 502', type: null });
  });
}

test('Retry-After is understood as seconds and as a date', async () => {
  says(429, '{}', { 'retry-after': '7' });
  await assert.rejects(client().markSystemEventAsRead(1), { retryAfter: 7 });
  says(429, '{}', { 'retry-after': new Date(Date.now() + 5_000).toUTCString() });
  await assert.rejects(client().markSystemEventAsRead(1), ({ retryAfter }) => retryAfter > 0 && retryAfter <= 5);
  says(429, '{}', { 'retry-after': 'soon' });
  await assert.rejects(client().markSystemEventAsRead(1), { retryAfter: null });
});

test('the stack of an error shows who called', async () => {
  says(503, '{}');
  for (const call of [() => client().markSystemEventAsRead(1), () => client().markNotificationSeen('nf_1')]) {
    try {
      await call();
      assert.fail();
    } catch (error) {
      assert.match(error.stack, /failures\.test\.js/);
    }
  }
});

const NOTHING = ['<html>Log in to the hotel</html>', '', 'null', '[]', '{"success":tr', '{}'];
const LIST = { object: 'list', data: [], next_cursor: null };
const SENSELESS = {
  markSystemEventAsRead: ['{"success":false}', '{"success":"secret"}'],
  markSystemEventAsUnread: ['{"sucess":true}'],
  listNotifications: [
    { ...LIST, object: 'notification' },
    { ...LIST, data: undefined },
    { ...LIST, data: [null] },
    { ...LIST, data: [{ object: 'actor', id: 'nf_1' }] },
    { ...LIST, next_cursor: undefined },
    { ...LIST, next_cursor: 7 },
  ].map((body) => JSON.stringify(body)),
  getNotification: ['{"object":"list","id":"nf_1"}', '{"object":"notification","id":7}'],
  dismissNotification: ['{"success":true}'],
  markAllNotificationsSeen: ['{"changed_count":"1"}'],
  getUnreadSummary: ['{"unseen_count":1}', '{"unread_count":1}'],
};

for (const [method, bodies] of Object.entries(SENSELESS)) {
  for (const body of [...NOTHING, ...bodies]) {
    test(`a success from another server is an error: ${method} ${body}`, async () => {
      says(200, body, { 'x-request-id': 'r-1' });
      await assert.rejects(client()[method]('nf_1'), (error) => {
        assert.ok(error instanceof InvalidResponseError && error instanceof ReadStateError);
        assert.equal(String(error), 'InvalidResponseError: the answer 200 is not what readstate sends');
        assert.deepEqual([error.status, error.requestId, error.isTransient], [200, 'r-1', false]);
        return true;
      });
    });
  }
}

test('a loop over notifications fails at a page without a cursor', async () => {
  says(200, '{"object":"list","data":[]}');
  const all = client().allNotifications({ signal: AbortSignal.timeout(2_000) });
  await assert.rejects(all.next(), InvalidResponseError);
  assert.equal(requests.length, 1);
});

// ── Connections and time ─────────────────────────────────────────────────────────────────────────────────────────────

test('a connection breaks in the middle of an answer: a network error', async () => {
  answer = (_, response) => {
    response.writeHead(200, { 'content-length': 100 }).write('{"success":');
    setTimeout(() => response.destroy(), 20);
  };
  await assert.rejects(client().markSystemEventAsRead(1), (error) => error instanceof NetworkError && !!error.cause);
});

test('a server does not answer: a timeout', async () => {
  answer = stall;
  await assert.rejects(client({ timeout: 50 }).markSystemEventAsRead(1), (error) => {
    assert.ok(error instanceof TimeoutError && error instanceof ReadStateError);
    assert.equal(String(error), 'TimeoutError: no answer within 50 ms');
    assert.deepEqual([error.timeout, error.isTransient], [50, true]);
    return true;
  });
});

test('a server stalls in the middle of its answer: a timeout', async () => {
  answer = (_, response) => response.writeHead(200).write('{"success":');
  await assert.rejects(client({ timeout: 50 }).markSystemEventAsRead(1), TimeoutError);
});

test('a call may have a timeout of its own', async () => {
  answer = stall;
  await assert.rejects(client().markSystemEventAsRead(1, { timeout: 50 }), { timeout: 50 });
});

test('fetching the token counts against the timeout', async () => {
  const stalled = client({ timeout: 50, token: () => new Promise(stall) });
  await assert.rejects(stalled.markSystemEventAsRead(1), TimeoutError);
  assert.equal(requests.length, 0);
});

test('a timeout may be infinite', async () => {
  answer = async (_, response) => {
    await sleep(50);
    response.end('{"success":true}');
  };
  assert.deepEqual(await client({ timeout: Infinity }).markSystemEventAsRead(1), { success: true });
});

test("the caller's signal ends a call with its reason", async () => {
  answer = stall;
  const controller = new AbortController();
  const call = client().markSystemEventAsRead(1, { signal: controller.signal });
  setTimeout(() => controller.abort('enough'), 50);
  await assert.rejects(call, (reason) => reason === 'enough');
});

test('after its signal has fired, a call sends nothing', async () => {
  await assert.rejects(client().markSystemEventAsRead(1, { signal: AbortSignal.abort() }), { name: 'AbortError' });
  assert.equal(requests.length, 0);
});

test("a call removes its listeners from the caller's signal", async () => {
  says(200, '{"success":true}');
  const { signal } = new AbortController();
  const listeners = { add: 0, remove: 0 };
  for (const name of ['add', 'remove']) {
    const original = signal[`${name}EventListener`].bind(signal);
    signal[`${name}EventListener`] = (...args) => (listeners[name]++, original(...args));
  }
  await client().markSystemEventAsRead(1, { signal });
  assert.deepEqual(listeners, { add: 1, remove: 1 });
});

// ── Tokens ───────────────────────────────────────────────────────────────────────────────────────────────────────────

/** Answers 401 to every token but this one. */
function accepts(good) {
  answer = (request, response) => {
    const welcome = request.headers.authorization === `Bearer ${good}`;
    response.writeHead(welcome ? 200 : 401).end(welcome ? '{"success":true}' : '{"error":"Unauthorized"}');
  };
}

test('every call asks the function for the token', async () => {
  const tokens = ['first', 'second'];
  const many = client({ token: () => tokens.shift() });
  accepts('first');
  await many.markSystemEventAsRead(1);
  accepts('second');
  await many.markSystemEventAsRead(1);
});

test('a refused token is not sent again', async () => {
  accepts('another');
  await assert.rejects(client().markSystemEventAsRead(1), { status: 401 });
  assert.equal(requests.length, 1);
});

test('a refused new token is not renewed again', async () => {
  accepts('another');
  let count = 0;
  await assert.rejects(client({ token: () => `token-${count++}` }).markSystemEventAsRead(1), { status: 401 });
  assert.deepEqual([requests.length, count], [2, 2]);
});

test('the same token is not sent again after a renewal', async () => {
  accepts('another');
  await assert.rejects(client({ token: () => 'same' }).markSystemEventAsRead(1), { status: 401 });
  assert.equal(requests.length, 1);
});

test('calls share one renewal if the server refuses them together', async () => {
  accepts('new');
  const judge = answer;
  const arrived = [];
  // The server refuses the calls when all have arrived.
  answer = (...call) => {
    arrived.push(call);
    if (arrived.length >= 5) for (const each of arrived.splice(0, 5)) judge(...each);
  };
  let renewals = 0;
  const token = async (renew) => {
    if (!renew) return 'old';
    renewals++;
    await sleep(300);
    return 'new';
  };
  const shared = client({ token });
  await Promise.all([1, 2, 3, 4, 5].map((id) => shared.markSystemEventAsRead(id)));
  assert.equal(renewals, 1);
});

test('an error of the token function reaches the caller unchanged, and the next call asks again', async () => {
  accepts('good');
  const failure = new Error('signed out');
  let signedIn = false;
  const token = (renew) => {
    if (signedIn) return 'good';
    if (renew) throw failure;
    return 'bad';
  };
  const session = client({ token });
  await assert.rejects(session.markSystemEventAsRead(1), (error) => error === failure);
  signedIn = true;
  assert.deepEqual(await session.markSystemEventAsRead(1), { success: true });
});

test('if a renewal hangs, later calls begin another', async () => {
  accepts('new');
  let renewals = 0;
  const token = (renew) => {
    if (!renew) return 'old';
    return ++renewals === 1 ? new Promise(stall) : 'new';
  };
  const patient = client({ token });
  await assert.rejects(patient.markSystemEventAsRead(1, { timeout: 100 }), TimeoutError);
  assert.deepEqual(await patient.markSystemEventAsRead(1, { timeout: 5_000 }), { success: true });
  assert.equal(renewals, 2);
});

test('calls share the second renewal, even if the first ends late', async () => {
  accepts('new');
  const renewals = [];
  const token = (renew) => (renew ? new Promise((resolve) => renewals.push(resolve)) : 'old');
  const shared = client({ token });
  await assert.rejects(shared.markSystemEventAsRead(1, { timeout: 100 }), TimeoutError);
  const calls = [shared.markSystemEventAsRead(2)];
  while (renewals.length < 2) await sleep(5);
  renewals[0]('new');
  calls.push(shared.markSystemEventAsRead(3));
  await sleep(100);
  assert.equal(renewals.length, 2);
  renewals[1]('new');
  await Promise.all(calls);
});

for (const token of ['', '   ', 'a b', 'secret\nx', 'sécret', undefined]) {
  test(`a malformed token is refused, and the error does not quote it: ${JSON.stringify(token)}`, async () => {
    await assert.rejects(client({ token: () => token }).markSystemEventAsRead(1), (error) => {
      assert.ok(error instanceof TypeError);
      assert.doesNotMatch(String(error), /s.cret|a b/);
      return true;
    });
    assert.equal(requests.length, 0);
  });
}

test('white space around a token does not matter', async () => {
  accepts('good');
  assert.deepEqual(await client({ token: 'good\n' }).markSystemEventAsRead(1), { success: true });
});

// ── Arguments ────────────────────────────────────────────────────────────────────────────────────────────────────────

for (const wrong of ['', '/', 'readstate.example', 'localhost:8080', 'ftp://readstate.example']) {
  test(`${JSON.stringify(wrong)} is not a base URL`, () => {
    assert.throws(() => client({ baseUrl: wrong }), TypeError);
  });
}

test('an id cannot lead to another path', async () => {
  says(404, '{}');
  for (const id of ['', '.', '..', undefined]) await assert.rejects(client().getNotification(id), TypeError);
  assert.equal(requests.length, 0);
  await assert.rejects(client().markNotificationSeen('a/../b?c#d'), { status: 404 });
  assert.equal(requests[0].url, '/v1/messaging/notifications/a%2F..%2Fb%3Fc%23d/actions/seen');
});

test('a loop over notifications fetches only the pages it needs', async () => {
  const nf = (id) => ({ object: 'notification', id });
  const page = { object: 'list', data: [nf('nf_1'), nf('nf_2')], next_cursor: 'more' };
  says(200, JSON.stringify(page));
  for await (const { id } of client().allNotifications()) if (id === 'nf_2') break;
  assert.equal(requests.length, 1);
});
