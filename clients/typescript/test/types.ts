/** Code that a compiler must accept, and lines that it must refuse. package.test.js compiles it and never runs it. */

import {
  ApiError,
  createInbox,
  type InboxSnapshot,
  type Notification,
  type NotificationCategory,
  NetworkError,
  ReadState,
  ReadStateError,
  type SystemEvent,
  type SystemEventList,
  type SystemEventReadStatusResponse,
  TimeoutError,
} from '@readstate/client';
import type { BellTexts, ReadstateBell } from '@readstate/client/bell';

const readstate = new ReadState({ baseUrl: 'https://readstate.example', token: 'a.b.c' });

// The contract declares the two methods like this.
type Mark = (systemEventLogId: number | number[]) => Promise<SystemEventReadStatusResponse>;
export const read: Mark = readstate.markSystemEventAsRead;
export const unread: Mark = readstate.markSystemEventAsUnread;
export const response: SystemEventReadStatusResponse = { success: true };

const frozen: readonly number[] = [1, 2];
void readstate.markSystemEventAsRead(frozen, { signal: new AbortController().signal, timeout: 1_000 });
// @ts-expect-error: ids are numbers
void readstate.markSystemEventAsRead('1');
// @ts-expect-error: a token is required
new ReadState({ baseUrl: 'https://readstate.example' });

new ReadState({ baseUrl: new URL('https://readstate.example'), token: () => 'a.b.c' });
new ReadState({ baseUrl: '', token: async (renew: boolean) => (renew ? 'a.b.c' : 'd.e.f'), timeout: undefined });

export async function feed(): Promise<string[]> {
  const names: string[] = [];
  for await (const notification of readstate.allNotifications({ status: 'unseen', include: ['sender'] })) {
    names.push(notification.sender?.name ?? notification.title);
  }
  const page = await readstate.listNotifications({ limit: 10, cursor: null, category: 'chat.mention' });
  const first: Notification | undefined = page.data[0];
  if (first) await readstate.markNotificationSeen(first.id, { idempotencyKey: 'key', include: ['resource'] });
  // @ts-expect-error: there is no such state
  void readstate.listNotifications({ status: 'lost' });
  const { changed_count } = await readstate.markAllNotificationsSeen(first ? { upTo: first.id } : {});
  const { unseen_count, unread_count } = await readstate.getUnreadSummary({ timeout: 500 });
  return [...names, `${changed_count} ${unseen_count} ${unread_count}`];
}

// The public client of the platform API declares its query like this.
interface Query { from_timestamp?: string; context?: number; showUnread?: boolean; skip: number; take: number }
type Find = (data: Query) => Promise<{ events: { id: number; jsonData: string | null }[]; total: number }>;
export const find: Find = readstate.getSystemEvents;

export async function inbox(): Promise<number> {
  for await (const event of readstate.allSystemEvents({ unreadOnly: true, types: ['a'], occurredFrom: new Date() })) {
    const actor: string | null = event.actor_id;
    void [actor, event.payload?.['name']];
  }
  const page: SystemEventList = await readstate.listSystemEvents({ limit: 10, cursor: null, withTotal: true });
  const { undo_token } = await readstate.markAllSystemEventsRead(page.head, { idempotencyKey: 'key' });
  if (undo_token !== null) await readstate.undoMarkAllSystemEventsRead(undo_token);
  const first: SystemEvent | undefined = page.data[0];
  if (first) for await (const { read_at } of readstate.allReaders(first.id)) void read_at;
  // @ts-expect-error: how far has to be said
  void readstate.markAllSystemEventsRead();
  await readstate.markAllNotificationsRead({ upTo: 'nf_0123456789ab' });
  return (await readstate.markSystemEventsRead([1])).unread_count + (await readstate.getUnreadCount()).version;
}

// The set of categories is open.
export const category: NotificationCategory = 'a.category.of.tomorrow';

export function explain(error: unknown): string {
  if (error instanceof ApiError) return `${error.status} ${error.code ?? error.message} ${error.requestId ?? ''}`;
  if (error instanceof TimeoutError) return `${error.timeout} ms`;
  if (error instanceof NetworkError) return String(error.cause);
  return error instanceof ReadStateError && error.isTransient ? 'try again' : String(error);
}

export function show(bell: ReadstateBell): () => void {
  const inbox = createInbox(readstate, { share: false, pageSize: 50 });
  const texts: Partial<BellTexts> = { undo: 'Back', newOnes: (count) => `${count} more` };
  Object.assign(bell, { inbox, texts });
  // @ts-expect-error: a notification never goes back
  void inbox.moveNotification('nf_0123456789ab', 'unseen');
  void inbox.markRead(1, 2).then(inbox.undo);
  return inbox.subscribe(() => {
    const { unread, events, status }: InboxSnapshot = inbox.getSnapshot();
    if (status === 'live' && unread) void [unread.notifications?.unread, events.items[0]?.read];
  });
}
