/** The headless inbox, on the real service. Ada has 50 events, has read 12 of them, and has 10 notifications. */

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { after, afterEach, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';

import { createInbox, ReadState } from '@readstate/client';
import { bundled, gzipped } from './bundle.js';
import { startGateway, startStack } from './stack.js';

const SCOPE = 'messaging:read messaging:update';

let stack;
let clients;
/** The ends of the inboxes of a test. */
const ends = [];

before(async () => {
  stack = await startStack();
  const client = async (user) =>
    new ReadState({ baseUrl: stack.url, token: await stack.token(user, '--scope', SCOPE) });
  clients = { ada: await client('ada'), grace: await client('grace') };
});
afterEach(() => {
  for (const end of ends.splice(0)) end();
});
after(() => stack?.stop());

/** Opens an inbox. Its own name keeps it apart from other "tabs" of the same user. */
function open(user, options = {}) {
  const inbox = createInbox(clients[user], { pollInterval: 400, share: false, ...options });
  ends.push(inbox.subscribe(() => undefined));
  return inbox;
}

/** Waits until the snapshot is as it should be. */
async function until(inbox, isSo, milliseconds = 10_000) {
  for (const start = Date.now(); Date.now() < start + milliseconds; await sleep(10)) {
    const snapshot = inbox.getSnapshot();
    if (isSo(snapshot)) return snapshot;
  }
  const { events, notifications, ...rest } = inbox.getSnapshot();
  assert.fail(`not so: ${isSo}\n${JSON.stringify({ ...rest, events: events.items.length })}`);
}

const idsOf = ({ items }) => items.map(({ id }) => id);

test('the store is smaller than 6 kB', async () => {
  const size = gzipped(await bundled('inbox/inbox.js', ['createInbox']));
  assert.ok(size < 6_000, `${size} bytes`);
});

test('numbers come by themselves, and lists when they are asked for', async () => {
  const inbox = open('ada');
  assert.equal(inbox.getSnapshot().unread, null);
  const { unread, status } = await until(inbox, ({ unread }) => unread !== null);
  assert.deepEqual([unread.unread_count, unread.head, unread.notifications.unread], [38, 50, 10]);
  assert.equal(status, 'live');
  assert.equal(inbox.getSnapshot().events.isLoaded, false);
  await inbox.load('events');
  await inbox.loadMore('events');
  const { events } = inbox.getSnapshot();
  assert.deepEqual(idsOf(events), Array.from({ length: 40 }, (_, index) => 50 - index));
  assert.deepEqual([events.hasMore, events.isLoading, events.newCount], [true, false, 0]);
  await inbox.loadMore('events');
  assert.equal(inbox.getSnapshot().events.hasMore, false);
});

test('a snapshot stays the same object while nothing changes, and is never changed', async () => {
  const inbox = open('ada');
  await until(inbox, ({ unread }) => unread !== null);
  await inbox.load('events');
  const before = inbox.getSnapshot();
  assert.equal(before, inbox.getSnapshot());
  const copy = structuredClone(before);
  const marking = inbox.markRead(50);
  assert.notEqual(inbox.getSnapshot(), before);
  assert.deepEqual(before, copy);
  await marking;
  await inbox.undo();
});

test('a mark shows at once, and other inboxes follow', async () => {
  const [inbox, other] = [open('ada'), open('ada')];
  await Promise.all([inbox, other].map((one) => until(one, ({ unread }) => unread !== null)));
  await Promise.all([inbox.load('events'), other.load('events')]);
  const marking = inbox.markRead(50, 49);
  const { unread, events } = inbox.getSnapshot();
  assert.equal(unread.unread_count, 36);
  assert.deepEqual(events.items.slice(0, 3).map(({ read }) => read), [true, true, false]);
  await marking;
  assert.equal(inbox.getSnapshot().undoCount, 2);
  await until(other, ({ unread, events }) => unread.unread_count === 36 && events.items[1].read);
  await inbox.undo();
  assert.deepEqual([inbox.getSnapshot().unread.unread_count, inbox.getSnapshot().undoCount], [38, null]);
  await until(other, ({ unread, events }) => unread.unread_count === 38 && !events.items[1].read);
});

test('marking all goes as far as the list, and undo brings back what was unread', async () => {
  const inbox = open('grace');
  await until(inbox, ({ unread }) => unread !== null);
  await inbox.markRead(3);
  await inbox.load('events');
  const marking = inbox.markAllRead();
  assert.equal(inbox.getSnapshot().unread.unread_count, 0);
  assert.ok(inbox.getSnapshot().events.items.every(({ read }) => read));
  await marking;
  assert.equal(inbox.getSnapshot().undoCount, 49);
  await inbox.loadMore('events');
  const undoing = inbox.undo();
  assert.equal(inbox.getSnapshot().unread.unread_count, 49);
  await undoing;
  const { unread } = inbox.getSnapshot();
  assert.equal(unread.unread_count, 49);
  // The second page was loaded after the mark. So only the server knows which of it were unread.
  await until(inbox, ({ events }) => events.items.every(({ id, read }) => read === (id === 3)));
  await inbox.markUnread(3);
});

test('a refused mark is taken back, and says why', async () => {
  let token = await stack.token('ada', '--scope', SCOPE);
  const client = new ReadState({ baseUrl: stack.url, token: () => token });
  const inbox = createInbox(client, { share: false });
  ends.push(inbox.subscribe(() => undefined));
  await until(inbox, ({ unread }) => unread !== null);
  await inbox.load('events');
  const before = inbox.getSnapshot();
  const valid = token;
  token = 'a.b.c';
  const refused = inbox.markRead(50);
  assert.equal(inbox.getSnapshot().unread.unread_count, before.unread.unread_count - 1);
  await assert.rejects(refused, { status: 401 });
  const { unread, events, error } = inbox.getSnapshot();
  assert.deepEqual([unread, events.items], [before.unread, before.events.items]);
  assert.equal(error.status, 401);
  token = valid;
  await inbox.markRead(50);
  assert.equal(inbox.getSnapshot().error, null);
  await inbox.undo();
});

test('the list of unread ones keeps what is marked, until it is loaded again', async () => {
  const [inbox, other] = [open('ada'), open('ada')];
  await until(inbox, ({ unread }) => unread !== null);
  await inbox.setUnreadOnly(true);
  await inbox.markRead(50);
  await other.markRead(49);
  const { events } = await until(inbox, ({ unread, events }) => unread.unread_count === 36 && events.items[1].read);
  assert.deepEqual(events.items.slice(0, 3).map(({ id, read }) => [id, read]), [[50, true], [49, true], [48, false]]);
  await inbox.load('events');
  assert.equal(inbox.getSnapshot().events.items[0].id, 48);
  await inbox.markUnread(50, 49);
  const shown = await until(inbox, ({ unread }) => unread.unread_count === 38);
  assert.equal(shown.events.newCount, 0);
});

test('notifications are seen, read and dismissed, here and elsewhere', async () => {
  const [inbox, other] = [open('ada'), open('ada')];
  await Promise.all([inbox, other].map((one) => until(one, ({ unread }) => unread !== null)));
  await Promise.all([inbox.load('notifications'), other.load('notifications')]);
  const [first, second] = inbox.getSnapshot().notifications.items;
  const moving = inbox.moveNotification(first.id, 'read');
  assert.equal(inbox.getSnapshot().unread.notifications.unread, 9);
  await moving;
  await until(other, ({ unread }) => unread.notifications.unread === 9);
  await until(other, ({ notifications: { items } }) => items[0].status === 'read');
  await inbox.moveNotification(second.id, 'dismissed');
  await until(other, ({ unread }) => unread.notifications.unread === 8);
  await until(other, ({ notifications: { items } }) => items.length === 9);
  await inbox.setUnreadOnly(true);
  assert.equal(inbox.getSnapshot().notifications.items.length, 8);
  await inbox.moveAllNotifications('seen');
  await until(other, ({ unread: { notifications } }) => notifications.unseen === 0 && notifications.unread === 8);
  await inbox.moveAllNotifications('read');
  assert.equal(inbox.getSnapshot().notifications.items.length, 8);
  await until(other, ({ unread: { notifications } }) => notifications.unread === 0);
});

test('new notifications are counted, and stay out of the list until it is loaded', async () => {
  const inbox = open('grace');
  await until(inbox, ({ unread }) => unread !== null);
  await inbox.load('notifications');
  await notify('first');
  await until(inbox, ({ notifications }) => notifications.newCount === 1);
  assert.deepEqual(inbox.getSnapshot().notifications.items, []);
  await inbox.load('notifications');
  await notify('second');
  const { notifications, unread } = await until(inbox, ({ notifications }) => notifications.newCount === 1);
  assert.deepEqual(notifications.items.map(({ title }) => title), ['first']);
  assert.equal(unread.notifications.unread, 2);
  // Only what the list shows becomes read.
  await inbox.moveAllNotifications('read');
  await inbox.load('notifications');
  const { items, newCount } = inbox.getSnapshot().notifications;
  const found = items.map(({ title, status }) => `${title} ${status}`);
  assert.deepEqual([newCount, ...found], [0, 'second unseen', 'first read']);
});

/** Notifies grace. REST has no route for it: services call it by gRPC. */
async function notify(title) {
  const program = `
import asyncio, sys
from readstate.client import ReadState
async def main(address, token, title):
    async with ReadState(address, token=token) as readstate:
        await readstate.create_notifications("acme", ["grace"], category="test", title=title)
asyncio.run(main(*sys.argv[1:]))`;
  const token = await stack.token('ada', '--scope', 'messaging:write');
  await promisify(execFile)('python', ['-c', program, stack.upstream, token, title]);
}

test('without the scope there are no notifications, and the rest works', async () => {
  const client = new ReadState({ baseUrl: stack.url, token: await stack.token('ada', '--scope', '') });
  const inbox = createInbox(client, { share: false });
  ends.push(inbox.subscribe(() => undefined));
  const { unread } = await until(inbox, ({ unread }) => unread !== null);
  assert.deepEqual([unread.unread_count, unread.notifications], [38, null]);
});

test('without a subscriber nothing is sent', async () => {
  const asked = [];
  const token = await stack.token('ada');
  const client = new ReadState({ baseUrl: stack.url, token: () => (asked.push(1), token) });
  const inbox = createInbox(client, { pollInterval: 50, share: false });
  const unsubscribe = inbox.subscribe(() => undefined);
  await until(inbox, ({ unread }) => unread !== null);
  unsubscribe();
  await sleep(100);
  const before = asked.length;
  await sleep(300);
  assert.equal(asked.length, before);
});

test('a server that is killed behind its gateway is found again, with what has happened since', async () => {
  const gateway = await startGateway(stack.upstream);
  try {
    const client = new ReadState({ baseUrl: gateway.url, token: await stack.token('ada', '--scope', SCOPE) });
    const inbox = createInbox(client, { share: false });
    ends.push(inbox.subscribe(() => undefined));
    await until(inbox, ({ status, unread }) => status === 'live' && unread.unread_count === 38);
    await inbox.load('events');
    await stack.kill();
    await until(inbox, ({ status }) => status === 'offline');
    await assert.rejects(inbox.markRead(50), ({ isTransient }) => isTransient);
    assert.equal(inbox.getSnapshot().unread.unread_count, 38);
    await stack.start();
    await clients.ada.markSystemEventsRead(49);
    await until(inbox, ({ status, unread }) => status !== 'offline' && unread.unread_count === 37, 40_000);
    assert.equal(inbox.getSnapshot().offlineError, null);
    await until(inbox, ({ events }) => events.items[1].read && !events.items[0].read);
    await until(inbox, ({ status }) => status === 'live');
  } finally {
    await gateway.stop();
  }
});
