/** `readstate dev` has ten unseen notifications for ada. Each has a sender or a resource. */

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import {
  BadRequestError,
  ForbiddenError,
  IdempotencyKeyReusedError,
  NotFoundError,
  ReadState,
  UnauthorizedError,
} from '../dist/index.js';
import { startStack } from './stack.js';

const SCOPES = 'messaging:read messaging:update';
const BOTH = { include: ['sender', 'resource'] };
const FIELDS = [
  ...['id', 'object', 'category', 'title', 'body', 'status', 'priority', 'sender', 'resource'],
  ...['seen_at', 'read_at', 'dismissed_at', 'created_at', 'updated_at'],
];

let stack;
let ada;
/** The notifications at the start, newest first. Each test changes other ones. */
let given;

before(async () => {
  stack = await startStack();
  ada = await clientFor('ada', SCOPES);
  given = (await ada.listNotifications(BOTH)).data;
});
after(() => stack?.stop());

async function clientFor(user, scope) {
  return new ReadState({ baseUrl: stack.url, token: await stack.token(user, '--scope', scope) });
}

/** Removes the fields of `include`. */
function bare(notifications) {
  return notifications.map((notification) => ({ ...notification, sender: null, resource: null }));
}

async function allOf(options) {
  const found = [];
  for await (const notification of ada.allNotifications(options)) found.push(notification);
  return found;
}

// ── Reading ──────────────────────────────────────────────────────────────────────────────────────────────────────────

test('the list holds notifications with exactly the fields of the contract', () => {
  assert.equal(given.length, 10);
  for (const notification of given) {
    assert.deepEqual(Object.keys(notification).sort(), [...FIELDS].sort());
    assert.equal(notification.object, 'notification');
    assert.match(notification.id, /^nf_[a-z0-9]{12}$/);
    assert.equal(notification.status, 'unseen');
    assert.ok(['low', 'normal', 'high'].includes(notification.priority));
    assert.match(notification.created_at, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/);
    assert.deepEqual([notification.seen_at, notification.read_at, notification.dismissed_at], [null, null, null]);
  }
});

test('included senders and resources have exactly the fields of the contract', () => {
  for (const { sender, resource } of given) {
    assert.ok(sender ?? resource);
    if (sender !== null) {
      const fields = ['avatar_url', 'handle', 'id', 'name', 'object', 'role', 'type'];
      assert.deepEqual(Object.keys(sender).sort(), fields);
      assert.deepEqual([sender.object, sender.role], ['actor', null]);
      assert.ok(['user', 'group', 'agent', 'api_key'].includes(sender.type));
    }
    if (resource !== null) {
      assert.deepEqual(Object.keys(resource).sort(), ['handle', 'id', 'name', 'object', 'type']);
      assert.equal(resource.object, 'entity');
    }
  }
});

test('senders and resources are null unless included', async () => {
  const { object, data, next_cursor } = await ada.listNotifications();
  assert.deepEqual([object, next_cursor], ['list', null]);
  assert.deepEqual(data, bare(given));
  const [{ sender, resource }] = (await ada.listNotifications({ include: ['sender'], limit: 1 })).data;
  assert.deepEqual([sender, resource], [given[0].sender, null]);
});

test('pages follow one another by their cursors', async () => {
  const first = await ada.listNotifications({ limit: 4 });
  const second = await ada.listNotifications({ limit: 4, cursor: first.next_cursor });
  const third = await ada.listNotifications({ limit: 4, cursor: second.next_cursor });
  assert.deepEqual([...first.data, ...second.data, ...third.data], bare(given));
  assert.equal(third.next_cursor, null);
});

test('a loop goes over all pages', async () => {
  assert.deepEqual(await allOf({ limit: 3, ...BOTH }), given);
  assert.deepEqual(await allOf({ limit: 5 }), bare(given));
});

test('the list is narrowed by category and status', async () => {
  const { category } = given[0];
  const expected = bare(given).filter((notification) => notification.category === category);
  assert.deepEqual(await allOf({ category, status: 'unseen', limit: 1 }), expected);
  assert.deepEqual(await allOf({ category: 'no & such=category' }), []);
  assert.deepEqual(await allOf({ status: 'read' }), []);
});

test('one notification is found by its id', async () => {
  assert.deepEqual(await ada.getNotification(given[0].id, BOTH), given[0]);
  assert.deepEqual(await ada.getNotification(given[0].id), bare(given)[0]);
});

test('the summary counts what is unseen and unread', async () => {
  assert.deepEqual(await ada.getUnreadSummary(), { unseen_count: 10, unread_count: 10 });
});

// ── Acting ───────────────────────────────────────────────────────────────────────────────────────────────────────────

test('a second call of seen changes nothing', async () => {
  const seen = await ada.markNotificationSeen(given[9].id, BOTH);
  assert.equal(seen.status, 'seen');
  assert.equal(seen.updated_at, seen.seen_at);
  assert.deepEqual(seen, { ...given[9], status: 'seen', seen_at: seen.seen_at, updated_at: seen.seen_at });
  assert.deepEqual(await ada.markNotificationSeen(given[9].id, BOTH), seen);
  assert.deepEqual(await ada.getUnreadSummary(), { unseen_count: 9, unread_count: 10 });
});

test('a notification that is read has been seen', async () => {
  const read = await ada.markNotificationRead(given[8].id);
  assert.equal(read.status, 'read');
  assert.equal(read.seen_at, read.read_at);
  assert.equal(read.sender, null);
  assert.deepEqual(await ada.getUnreadSummary(), { unseen_count: 8, unread_count: 9 });
});

test('a dismissed notification leaves the list, and is found by its id', async () => {
  const { id } = given[7];
  const dismissed = await ada.dismissNotification(id);
  assert.equal(dismissed.status, 'dismissed');
  assert.deepEqual([dismissed.seen_at, dismissed.read_at], [null, null]);
  assert.deepEqual(await ada.markNotificationRead(id), dismissed);
  assert.deepEqual(await ada.getNotification(id), dismissed);
  assert.deepEqual(await allOf({ status: 'dismissed' }), [dismissed]);
  assert.ok((await allOf()).every((notification) => notification.id !== id));
});

test('the same call with the same key gets the same answer, and another call is refused', async () => {
  const options = { idempotencyKey: crypto.randomUUID() };
  const seen = await ada.markNotificationSeen(given[6].id, options);
  await ada.markNotificationRead(given[6].id);
  assert.deepEqual(await ada.markNotificationSeen(given[6].id, options), seen);
  await assert.rejects(ada.markNotificationSeen(given[5].id, options), (error) => {
    assert.ok(error instanceof IdempotencyKeyReusedError);
    const { status, type, code, isTransient } = error;
    assert.deepEqual([status, type, code], [422, 'idempotency_error', 'idempotency_key_reused']);
    assert.equal(isTransient, false);
    return true;
  });
});

test('all notifications up to the newest on the screen become seen', async () => {
  const idempotencyKey = crypto.randomUUID();
  const older = await ada.markAllNotificationsSeen({ upTo: given[3].id, idempotencyKey });
  assert.deepEqual(older, { changed_count: 3 });
  assert.deepEqual(await ada.markAllNotificationsSeen({ upTo: given[3].id, idempotencyKey }), older);
  assert.deepEqual(await ada.markAllNotificationsSeen({ upTo: given[3].id }), { changed_count: 0 });
  const unseen = (await allOf({ status: 'unseen' })).map(({ id }) => id);
  assert.deepEqual(
    unseen,
    given.slice(0, 3).map(({ id }) => id),
  );
  assert.deepEqual(await ada.markAllNotificationsSeen(), { changed_count: 3 });
  assert.deepEqual(await ada.getUnreadSummary(), { unseen_count: 0, unread_count: 7 });
});

test('all notifications up to the newest on the screen become read', async () => {
  const idempotencyKey = crypto.randomUUID();
  const older = await ada.markAllNotificationsRead({ upTo: given[2].id, idempotencyKey });
  assert.ok(older.changed_count > 0);
  assert.deepEqual(await ada.markAllNotificationsRead({ upTo: given[2].id, idempotencyKey }), older);
  assert.deepEqual(await ada.markAllNotificationsRead({ upTo: given[2].id }), { changed_count: 0 });
  assert.deepEqual(await ada.getUnreadSummary(), { unseen_count: 0, unread_count: 2 });
  assert.deepEqual(await ada.markAllNotificationsRead(), { changed_count: 2 });
});

// ── Refusals ─────────────────────────────────────────────────────────────────────────────────────────────────────────

const REFUSED = { type: 'invalid_request_error', isTransient: false };

function refusal(kind, expected) {
  return (error) => {
    assert.ok(error instanceof kind, `${error}`);
    assert.ok(error.requestId);
    for (const [name, value] of Object.entries({ ...REFUSED, ...expected })) assert.equal(error[name], value, name);
    return true;
  };
}

test("another user's notification and an unknown id give the same error", async () => {
  const grace = await clientFor('grace', SCOPES);
  for (const call of [
    () => grace.markNotificationSeen(given[0].id),
    () => grace.getNotification(given[0].id),
    () => ada.markNotificationRead('nf_000000000000'),
    () => ada.dismissNotification('anything else'),
    () => ada.markAllNotificationsSeen({ upTo: 'nf_000000000000' }),
  ]) {
    await assert.rejects(call, refusal(NotFoundError, { status: 404, code: 'notification_not_found' }));
  }
});

test('a token without the scope is refused', async () => {
  const reader = await clientFor('ada', 'messaging:read');
  const expected = refusal(ForbiddenError, { status: 403, code: 'scope_missing' });
  await assert.rejects(reader.markNotificationSeen(given[0].id), expected);
  await assert.rejects(reader.markAllNotificationsSeen(), expected);
  await assert.rejects((await clientFor('ada', '')).listNotifications(), expected);
});

test('a token that is not valid is refused', async () => {
  const stranger = new ReadState({ baseUrl: stack.url, token: 'a.b.c' });
  await assert.rejects(stranger.getUnreadSummary(), refusal(UnauthorizedError, { status: 401 }));
});

test('the error names the wrong parameter', async () => {
  for (const [param, options] of [
    ['limit', { limit: 101 }],
    ['cursor', { cursor: 'nonsense' }],
    ['status', { status: 'lost' }],
    ['include', { include: ['everything'] }],
  ]) {
    await assert.rejects(ada.listNotifications(options), (error) => {
      assert.match(error.param, new RegExp(`^${param}`));
      return refusal(BadRequestError, { status: 400 })(error);
    });
  }
});

test('an idempotency key that is too long is refused', async () => {
  const idempotencyKey = 'k'.repeat(256);
  await assert.rejects(ada.markNotificationSeen(given[0].id, { idempotencyKey }), refusal(BadRequestError, {}));
});
