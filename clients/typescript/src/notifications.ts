import type { CallOptions } from './http.js';

/** The state of a notification. It moves in this order, never backwards. */
export type NotificationStatus = 'unseen' | 'seen' | 'read' | 'dismissed';

/** How urgent a notification is. */
export type NotificationPriority = 'low' | 'normal' | 'high';

/** The kind of a notification. The set is open, so expect other values too. */
export type NotificationCategory =
  | 'chat.message'
  | 'chat.mention'
  | 'chat.added'
  | 'order.updated'
  | 'agent.run_completed'
  | 'agent.alert'
  | 'system.broadcast'
  | (string & {});

/** A field that the server fills in only on request. Without the request it is null. */
export type NotificationInclude = 'sender' | 'resource';

/** Who or what caused a notification. */
export interface Actor {
  id: string;
  object: 'actor';
  type: 'user' | 'group' | 'agent' | 'api_key';
  name: string | null;
  /** The e-mail address of a user, or the redacted form of an API key. It is null for other types. */
  handle: string | null;
  /** Only users have one. */
  avatar_url: string | null;
  /** Always null here. */
  role: null;
}

/** The resource that a notification is about. */
export interface Entity {
  id: string;
  object: 'entity';
  /** The kind of the resource, such as `account`. The set is open. */
  type: string;
  name: string | null;
  handle: string | null;
}

/** One person's notification. Times are RFC 3339 in UTC. */
export interface Notification {
  /** `nf_` and 12 characters of `a-z0-9`. */
  id: string;
  object: 'notification';
  category: NotificationCategory;
  title: string;
  body: string | null;
  status: NotificationStatus;
  priority: NotificationPriority;
  /** Null if it is not included, or if there is no sender. */
  sender: Actor | null;
  /** Null if it is not included, or if there is no resource. */
  resource: Entity | null;
  seen_at: string | null;
  read_at: string | null;
  dismissed_at: string | null;
  created_at: string;
  updated_at: string;
}

/** A page of notifications, newest first. */
export interface NotificationList {
  object: 'list';
  data: Notification[];
  /** The start of the next page. It is null on the last page. */
  next_cursor: string | null;
}

/** The numbers of notifications that need attention. Dismissed ones do not count. */
export interface UnreadSummary {
  /** Notifications that the user has not seen. */
  unseen_count: number;
  /** Notifications that the user has not opened. They may be seen. */
  unread_count: number;
}

/** The answer to marking all notifications as seen. */
export interface MarkAllSeenResponse {
  /** The number of notifications that were unseen and are seen now. */
  changed_count: number;
}

/** The answer to marking all notifications as read. */
export interface MarkAllReadResponse {
  /** The number of notifications that were not read and are read now. */
  changed_count: number;
}

/** Selects the notifications of a list. */
export interface NotificationFilter {
  /** Only notifications in this state. Without it, the list holds all but the dismissed ones. */
  status?: NotificationStatus | undefined;
  /** Only notifications of this category. */
  category?: NotificationCategory | undefined;
}

/** Selects the fields that the server fills in on request. */
export interface IncludeOptions {
  include?: readonly NotificationInclude[] | undefined;
}

/** Makes a call safe to repeat. */
export interface IdempotencyOptions {
  /**
   * 1 to 255 printable ASCII characters, such as `crypto.randomUUID()`. The server keeps the key for 24 hours. The same
   * call with the same key gets the first answer again, and changes nothing. The server refuses another call with it.
   */
  idempotencyKey?: string | undefined;
}

/** The options of `listNotifications`. */
export interface ListNotificationsOptions extends CallOptions, NotificationFilter, IncludeOptions {
  /** `next_cursor` of the page before. Without it, the list begins with the newest. */
  cursor?: string | null | undefined;
  /** The largest number of notifications on a page: 1 to 100. The default is 50. */
  limit?: number | undefined;
}

/** The options of `allNotifications`. */
export interface AllNotificationsOptions extends CallOptions, NotificationFilter, IncludeOptions {
  /** The number of notifications to fetch at once: 1 to 100. The default is 50. */
  limit?: number | undefined;
}

/** The options of `getNotification`. */
export interface GetNotificationOptions extends CallOptions, IncludeOptions {}

/** The options of the methods that change one notification. */
export interface NotificationActionOptions extends CallOptions, IncludeOptions, IdempotencyOptions {}

/** The options of `markAllNotificationsSeen`. */
export interface MarkAllSeenOptions extends CallOptions, IdempotencyOptions {
  /** The id of the newest notification on the screen. Newer ones stay unseen. Without it, all become seen. */
  upTo?: string | undefined;
}

/** The options of `markAllNotificationsRead`. */
export interface MarkAllReadOptions extends CallOptions, IdempotencyOptions {
  /** The id of the newest notification on the screen. Newer ones stay as they are. Without it, all become read. */
  upTo?: string | undefined;
}
