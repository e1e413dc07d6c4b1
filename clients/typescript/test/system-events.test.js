import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { inspect } from 'node:util';

import {
  BadRequestError,
  ForbiddenError,
  NetworkError,
  NotFoundError,
  PayloadTooLargeError,
  ReadState,
  UnauthorizedError,
  UnavailableError,
} from '../dist/index.js';
import { freeAddresses, startLonelyGateway, startStack } from './stack.js';

let stack;
let ada;

before(async () => {
  stack = await startStack();
  ada = await clientFor('ada');
});
after(() => stack?.stop());

async function clientFor(user, ...more) {
  return new ReadState({ baseUrl: stack.url, token: await stack.token(user, ...more) });
}

const DONE = { success: true };

test('one event is marked as read and as unread', async () => {
  assert.deepEqual(await ada.markSystemEventAsRead(1), DONE);
  assert.deepEqual(await ada.markSystemEventAsUnread(1), DONE);
});

test('many events are marked as read and as unread', async () => {
  assert.deepEqual(await ada.markSystemEventAsRead([1, 2, 3]), DONE);
  assert.deepEqual(await ada.markSystemEventAsUnread([1, 2, 3]), DONE);
});

test('marking again succeeds', async () => {
  for (const _ of [1, 2]) assert.deepEqual(await ada.markSystemEventAsRead(4), DONE);
  for (const _ of [1, 2]) assert.deepEqual(await ada.markSystemEventAsUnread(4), DONE);
});

test('events of another organisation and unknown ids are ignored', async () => {
  assert.deepEqual(await ada.markSystemEventAsRead([51, 4711, 5]), DONE);
  assert.deepEqual(await ada.markSystemEventAsUnread([51, 4711, 5]), DONE);
});

test('the methods work when they are detached from the client', async () => {
  const { markSystemEventAsRead, markSystemEventAsUnread } = ada;
  assert.deepEqual(await Promise.all([6, 7].map(markSystemEventAsRead)), [DONE, DONE]);
  assert.deepEqual(await Promise.all([6, 7].map(markSystemEventAsUnread)), [DONE, DONE]);
});

test('a base URL may end with a slash, and be a URL', async () => {
  const token = await stack.token('ada');
  for (const baseUrl of [`${stack.url}/`, new URL(stack.url)]) {
    assert.deepEqual(await new ReadState({ baseUrl, token }).markSystemEventAsRead(1), DONE);
  }
});

for (const nothing of [[], 0, -1, 1.5, NaN, [0.5, -7], '5']) {
  test(`${inspect(nothing)} is refused, because it has no valid id`, async () => {
    for (const mark of [ada.markSystemEventAsRead, ada.markSystemEventAsUnread]) {
      await assert.rejects(mark(nothing), (error) => {
        assert.ok(error instanceof BadRequestError);
        assert.equal(error.name, 'BadRequestError');
        assert.equal(error.status, 400);
        assert.equal(error.message, 'Missing or invalid id or ids');
        assert.equal(error.isTransient, false);
        assert.ok(error.requestId);
        return true;
      });
    }
  });
}

test('more than 10,000 ids are refused', async () => {
  const ids = Array.from({ length: 10_001 }, (_, index) => index + 1);
  await assert.rejects(ada.markSystemEventAsRead(ids), { status: 400, message: 'Too many ids: at most 10000' });
});

test('a body that is too large is refused', async () => {
  const ids = Array.from({ length: 20_000 }, () => Number.MAX_SAFE_INTEGER);
  await assert.rejects(ada.markSystemEventAsRead(ids), PayloadTooLargeError);
});

test('an expired token is refused', async () => {
  const late = await clientFor('ada', '--expires-in', '-60');
  for (const mark of [late.markSystemEventAsRead, late.markSystemEventAsUnread]) {
    await assert.rejects(mark(1), (error) => {
      assert.ok(error instanceof UnauthorizedError);
      assert.equal(error.status, 401);
      assert.equal(error.message, 'Unauthorized');
      assert.ok(error.requestId);
      return true;
    });
  }
});

test('an unknown user is refused', async () => {
  await assert.rejects((await clientFor('nobody')).markSystemEventAsRead(1), UnauthorizedError);
});

test('without an organisation, read is refused and unread does nothing', async () => {
  const carol = await clientFor('carol');
  await assert.rejects(carol.markSystemEventAsRead(1), (error) => {
    assert.ok(error instanceof ForbiddenError);
    assert.equal(error.status, 403);
    assert.equal(error.message, 'User not associated with an organization');
    return true;
  });
  assert.deepEqual(await carol.markSystemEventAsUnread(1), DONE);
});

test('after its token has expired, a token function is asked for a new one', async () => {
  const [expired, good] = await Promise.all([stack.token('ada', '--expires-in', '-60'), stack.token('ada')]);
  const asked = [];
  const token = async (renew) => {
    asked.push(renew);
    return renew ? good : expired;
  };
  assert.deepEqual(await new ReadState({ baseUrl: stack.url, token }).markSystemEventAsRead(1), DONE);
  assert.deepEqual(asked, [false, true]);
});

test('a wrong path in the base URL is an error', async () => {
  const lost = new ReadState({ baseUrl: `${stack.url}/elsewhere/`, token: await stack.token('ada') });
  await assert.rejects(lost.markSystemEventAsRead(1), NotFoundError);
});

test('a gateway without its server is an error', async () => {
  const gateway = await startLonelyGateway();
  try {
    const client = new ReadState({ baseUrl: gateway.url, token: await stack.token('ada') });
    await assert.rejects(client.markSystemEventAsRead(1), (error) => {
      assert.ok(error instanceof UnavailableError);
      assert.equal(error.status, 503);
      assert.equal(error.isTransient, true);
      assert.ok(error.requestId);
      return true;
    });
  } finally {
    await gateway.stop();
  }
});

test('an address without a listener is a network error', async () => {
  const [nobody] = await freeAddresses(1);
  const client = new ReadState({ baseUrl: `http://${nobody}`, token: 'a.b.c' });
  await assert.rejects(client.markSystemEventAsRead(1), (error) => {
    assert.ok(error instanceof NetworkError);
    assert.equal(error.isTransient, true);
    assert.equal(error.cause.cause.code, 'ECONNREFUSED');
    return true;
  });
});
