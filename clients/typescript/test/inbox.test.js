/** The demo data of `readstate dev` has 50 events in ada's organisation. She has read 12 of them. */

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { BadRequestError, ForbiddenError, IdempotencyKeyReusedError, NotFoundError, ReadState } from '@readstate/client';
import { startStack } from './stack.js';

const AUDIT = 'system_events:audit';
const FIELDS = [
  ...['id', 'object', 'seq', 'type', 'title', 'actor_id', 'subject_id', 'workspace_id', 'read'],
  ...['occurred_at', 'recorded_at', 'payload'],
];
const READ = [15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4];
const ALL = Array.from({ length: 50 }, (_, index) => 50 - index);

let stack;
let ada;
let grace;

before(async () => {
  stack = await startStack();
  [ada, grace] = await Promise.all([clientFor('ada', AUDIT), clientFor('grace', '')]);
});
after(() => stack?.stop());

async function clientFor(user, scope) {
  return new ReadState({ baseUrl: stack.url, token: await stack.token(user, '--scope', scope) });
}

const idsOf = (events) => events.map(({ id }) => id);

async function allOf(client, options) {
  const found = [];
  for await (const event of client.allSystemEvents(options)) found.push(event);
  return found;
}

// ── Reading ──────────────────────────────────────────────────────────────────────────────────────────────────────────

test('the list holds events with exactly the fields of the contract', async () => {
  const page = await ada.listSystemEvents({ limit: 100 });
  assert.deepEqual([page.object, page.next_cursor, page.head, page.unread_count], ['list', null, 50, 38]);
  assert.deepEqual(idsOf(page.data), ALL);
  assert.deepEqual(idsOf(page.data.filter(({ read }) => read)), READ);
  for (const event of page.data) {
    assert.deepEqual(Object.keys(event), FIELDS);
    assert.equal(event.object, 'system_event');
    assert.equal(event.payload.demo, event.id);
    assert.ok(!Number.isNaN(Date.parse(event.occurred_at)));
  }
  assert.ok(!('total' in page));
});

test('pages follow one another by their cursors, and a loop goes over all', async () => {
  const first = await ada.listSystemEvents({ limit: 30 });
  const second = await ada.listSystemEvents({ limit: 30, cursor: first.next_cursor });
  assert.deepEqual(idsOf([...first.data, ...second.data]), ALL);
  assert.equal(second.next_cursor, null);
  assert.deepEqual(idsOf(await allOf(ada, { limit: 7 })), ALL);
});

test('the list is narrowed by every filter', async () => {
  const unread = await allOf(ada, { unreadOnly: true, limit: 20 });
  assert.deepEqual(idsOf(unread), ALL.filter((id) => !READ.includes(id)));
  const types = ['bucket.created', 'repo.updated'];
  const { data, total } = await ada.listSystemEvents({ types, withTotal: true, limit: 1, skip: 1 });
  assert.equal(total, ALL.filter((id) => [2, 3].includes(id % 5)).length);
  assert.ok(types.includes(data[0].type));
  assert.ok((await allOf(ada, { actorIds: ['grace'] })).every(({ actor_id: id }) => id === 'grace'));
  assert.deepEqual(idsOf(await allOf(ada, { subjectIds: ['bucket-7', 'no & such='] })), [7]);
  assert.deepEqual(await allOf(ada, { workspaceIds: ['elsewhere'] }), []);
  const [newest] = (await ada.listSystemEvents({ limit: 1 })).data;
  const late = new Date(Date.parse(newest.occurred_at) + 60_000);
  assert.deepEqual(await allOf(ada, { occurredFrom: late }), []);
  assert.equal((await allOf(ada, { occurredBefore: late.toISOString() })).length, 50);
});

test('what is unread is counted', async () => {
  const { version, ...count } = await ada.getUnreadCount();
  assert.deepEqual(count, { head: 50, unread_count: 38 });
  assert.ok(version > 0);
});

test('the query of the public client finds the same events', async () => {
  const { getSystemEvents } = ada;
  const { events, ...rest } = await getSystemEvents({ context: 1, event: 0, showUnread: false, skip: 1, take: 2 });
  assert.deepEqual(rest, { total: 10, skip: 1, take: 2 });
  assert.deepEqual(idsOf(events), [42, 37]);
  const [{ jsonData, timestamp, ...event }] = events;
  assert.deepEqual(event, {
    ...{ id: 42, contextId: 'bucket-42', context: 'bucket', event: 'created', orgId: 'acme', userId: 'grace' },
    ...{ userName: 'Grace', userEmail: 'grace@acme.example', workspaceId: null, showUnread: true },
  });
  assert.equal(JSON.parse(jsonData).demo, 42);
  assert.match(timestamp, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  await assert.rejects(getSystemEvents({ skip: 0, take: 0 }), { status: 400, message: 'take must be from 1 to 100' });
});

// ── Marking ──────────────────────────────────────────────────────────────────────────────────────────────────────────

test('a mark tells what has changed and what is left', async () => {
  const read = await grace.markSystemEventsRead([1, 2, 60]);
  assert.deepEqual([read.changed_count, read.matched_count, read.unread_count, read.head], [2, 2, 48, 50]);
  const unread = await grace.markSystemEventsUnread(2);
  assert.deepEqual([unread.changed_count, unread.matched_count, unread.unread_count], [1, 1, 49]);
  assert.ok(unread.version > read.version);
});

test('marking all goes as far as it is told, counts once with a key, and can be undone', async () => {
  const before = await grace.getUnreadCount();
  const marked = await grace.markAllSystemEventsRead(30, { idempotencyKey: 'all' });
  assert.equal(marked.unread_count, 20);
  assert.deepEqual(await grace.markAllSystemEventsRead(30, { idempotencyKey: 'all' }), marked);
  await assert.rejects(grace.markAllSystemEventsRead(31, { idempotencyKey: 'all' }), IdempotencyKeyReusedError);
  assert.equal((await grace.markAllSystemEventsRead(30)).undo_token, null);

  await assert.rejects(ada.undoMarkAllSystemEventsRead(marked.undo_token), (error) => {
    assert.ok(error instanceof BadRequestError);
    assert.deepEqual([error.code, error.param], ['invalid_undo_token', 'undo_token']);
    return true;
  });
  const undone = await grace.undoMarkAllSystemEventsRead(marked.undo_token);
  assert.deepEqual([undone.changed_count, undone.unread_count], [marked.changed_count, before.unread_count]);
});

test('readers are told to who may know', async () => {
  await grace.markSystemEventsRead([5]);
  const page = await ada.listReaders(5, { limit: 1 });
  assert.deepEqual([page.object, page.data.length, page.data[0].object], ['list', 1, 'reader']);
  const found = [];
  for await (const reader of ada.allReaders(5, { limit: 1 })) found.push(reader.user_id);
  assert.deepEqual(found.sort(), ['ada', 'grace']);
  await assert.rejects(grace.listReaders(5), ForbiddenError);
  for (const id of [60, 4711, 0, 1.5]) {
    await assert.rejects(ada.listReaders(id), (error) => {
      assert.ok(error instanceof NotFoundError);
      assert.equal(error.code, 'system_event_not_found');
      return true;
    });
  }
});

test('a filter or a cursor that is not valid is named', async () => {
  for (const [options, param] of [
    [{ limit: 101 }, 'limit'],
    [{ skip: -1 }, 'skip'],
    [{ cursor: 'x' }, 'cursor'],
    [{ types: [''] }, 'types[0]'],
    [{ occurredFrom: 'yesterday' }, 'occurred_from'],
  ]) {
    await assert.rejects(ada.listSystemEvents(options), { status: 400, param });
  }
});
