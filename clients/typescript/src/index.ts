/**
 * A client of readstate's REST gateway. Begin with {@link ReadState}.
 *
 * @module client
 */

export { ReadState, type ReadStateOptions } from './client.js';
export * from './errors.js';
export type { CallOptions } from './http.js';
// Name by name: `export type *` needs TypeScript 5.
export type {
  Actor,
  AllNotificationsOptions,
  Entity,
  GetNotificationOptions,
  IdempotencyOptions,
  IncludeOptions,
  ListNotificationsOptions,
  MarkAllReadOptions,
  MarkAllReadResponse,
  MarkAllSeenOptions,
  MarkAllSeenResponse,
  Notification,
  NotificationActionOptions,
  NotificationCategory,
  NotificationFilter,
  NotificationInclude,
  NotificationList,
  NotificationPriority,
  NotificationStatus,
  UnreadSummary,
} from './notifications.js';
export type {
  AllReadersOptions,
  AllSystemEventsOptions,
  ListReadersOptions,
  ListSystemEventsOptions,
  MarkAllOptions,
  MarkedAll,
  MarkedEvents,
  Reader,
  ReaderList,
  SystemEvent,
  SystemEventFilter,
  SystemEventList,
  SystemEventQueryRequest,
  SystemEventQueryResponse,
  SystemEventReadStatusResponse,
  SystemEventResponse,
  UndoneMarkAll,
  UnreadCount,
} from './system-events.js';
export type { TokenSource } from './token.js';
export type { StreamEnd, UnreadNotifications, UnreadState, WatchUnreadOptions } from './unread.js';
export type { InboxSharing } from './inbox/connection.js';
export { createInbox, type Inbox, type InboxList, type InboxOptions } from './inbox/inbox.js';
export type { Moved } from './inbox/pending.js';
export type { InboxSnapshot, InboxStatus, ListSnapshot } from './inbox/snapshot.js';
