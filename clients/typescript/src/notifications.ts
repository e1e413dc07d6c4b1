import type { CallOptions } from './http.js';

/** Where a notification is in its life. It moves in this order, never backwards. */
export type NotificationStatus = 'unseen' | 'seen' | 'read' | 'dismissed';

/** How urgent a notification is. */
export type NotificationPriority = 'low' | 'normal' | 'high';

/** What a notification tells. The set is open: expect others than these. */
export type NotificationCategory =
  | 'chat.message'
  | 'chat.mention'
  | 'chat.added'
  | 'order.updated'
  | 'agent.run_completed'
  | 'agent.alert'
  | 'system.broadcast'
  | (string & {});

/** A sub-object to fill in; without being asked for it is null. */
export type NotificationInclude = 'sender' | 'resource';

/** Who or what caused a notification. */
export interface Actor {
  id: string;
  object: 'actor';
  type: 'user' | 'group' | 'agent' | 'api_key';
  name: string | null;
  /** A user's e-mail address, or an API key in its redacted form; null for other types. */
  handle: string | null;
  /** Only users have one. */
  avatar_url: string | null;
  /** Always null here. */
  role: null;
}

/** The thing that a notification leads to. */
export interface Entity {
  id: string;
  object: 'entity';
  /** What kind of thing `id` names, such as `account`. The set is open. */
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
  /** Null unless included, and where nobody sent it. */
  sender: Actor | null;
  /** Null unless included, and where it leads nowhere. */
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
  /** Where the next page begins; null on the last one. */
  next_cursor: string | null;
}

/** How many notifications want attention. Dismissed ones never count. */
export interface UnreadSummary {
  /** Those that have not appeared before their owner yet. */
  unseen_count: number;
  /** Those that have not been opened, seen or not. */
  unread_count: number;
}

/** The answer to marking all notifications as seen. */
export interface MarkAllSeenResponse {
  /** Notifications that were unseen and are seen now. */
  changed_count: number;
}

/** Which notifications to list. */
export interface NotificationFilter {
  /** Only those in this state. Without it: all but the dismissed ones. */
  status?: NotificationStatus | undefined;
  /** Only those of this category. */
  category?: NotificationCategory | undefined;
}

/** What to fill in of what a notification refers to. */
export interface IncludeOptions {
  include?: readonly NotificationInclude[] | undefined;
}

/** Makes a call that changes something safe to send again. */
export interface IdempotencyOptions {
  /**
   * 1 to 255 printable ASCII characters, such as `crypto.randomUUID()`. For 24 hours the same call with the same key is
   * answered with the first answer and has no further effect; another call with that key is refused.
   */
  idempotencyKey?: string | undefined;
}

/** Options of `listNotifications`. */
export interface ListNotificationsOptions extends CallOptions, NotificationFilter, IncludeOptions {
  /** `next_cursor` of the page before. Without it: the newest. */
  cursor?: string | null | undefined;
  /** How many at most: 1 to 100, 50 unless given. */
  limit?: number | undefined;
}

/** Options of `allNotifications`. */
export interface AllNotificationsOptions extends CallOptions, NotificationFilter, IncludeOptions {
  /** How many to fetch at once: 1 to 100, 50 unless given. */
  limit?: number | undefined;
}

/** Options of `getNotification`. */
export interface GetNotificationOptions extends CallOptions, IncludeOptions {}

/** Options of the calls that act on one notification. */
export interface NotificationActionOptions extends CallOptions, IncludeOptions, IdempotencyOptions {}

/** Options of `markAllNotificationsSeen`. */
export interface MarkAllSeenOptions extends CallOptions, IdempotencyOptions {
  /** Id of the newest notification that the person has been shown. Without it: all of them. */
  upTo?: string | undefined;
}
