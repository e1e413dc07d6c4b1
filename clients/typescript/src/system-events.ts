import type { CallOptions } from './http.js';
import type { IdempotencyOptions } from './notifications.js';

/** The answer to marking system events as read or unread. */
export interface SystemEventReadStatusResponse {
  success: boolean;
}

/** A system event of the user's organisation. Times are RFC 3339 in UTC. */
export interface SystemEvent {
  id: number;
  object: 'system_event';
  /** Its position in the organisation's stream. It never changes. */
  seq: number;
  /** What kind of event it is, such as `bucket.created`. The set is open. */
  type: string;
  title: string;
  /** Null if it was recorded without. */
  actor_id: string | null;
  /** Null if it was recorded without. */
  subject_id: string | null;
  /** Null if it was recorded without. */
  workspace_id: string | null;
  /** Whether the user has read it. */
  read: boolean;
  occurred_at: string;
  recorded_at: string;
  /** Null if it was recorded without. */
  payload: Record<string, unknown> | null;
}

/** What the user has not read. */
export interface UnreadCount {
  /** The largest `seq` of the organisation. 0 if nothing has been recorded. */
  head: number;
  /** The events that the user has not read. */
  unread_count: number;
  /** It rises with every change of what the user has read. */
  version: number;
}

/** A page of system events, newest first. */
export interface SystemEventList extends UnreadCount {
  object: 'list';
  data: SystemEvent[];
  /** The `cursor` of the next page. Null on the last page. */
  next_cursor: string | null;
  /** How many events pass the filter, on all pages together. Only with `withTotal`. */
  total?: number;
}

/** What marking events has changed, and what is unread now. */
export interface MarkedEvents extends UnreadCount {
  /** The events whose read state is another one now. */
  changed_count: number;
  /** The distinct ids that name an event of the user's organisation. */
  matched_count: number;
}

/** What marking all events has changed, and what is unread now. */
export interface MarkedAll {
  changed_count: number;
  unread_count: number;
  version: number;
  /** `undoMarkAllSystemEventsRead` takes it. Null if nothing changed, and if it would be larger than 64 KiB. */
  undo_token: string | null;
}

/** What undoing has changed, and what is unread now. */
export interface UndoneMarkAll {
  changed_count: number;
  unread_count: number;
  version: number;
}

/** A member who has read an event. */
export interface Reader {
  object: 'reader';
  user_id: string;
  /** Null where it is not known: marking all keeps no time for each event. */
  read_at: string | null;
}

/** A page of readers. It may be empty and still have a next page. */
export interface ReaderList {
  object: 'list';
  data: Reader[];
  /** The `cursor` of the next page. Null on the last page. */
  next_cursor: string | null;
}

/** Filters for a list of system events. A list of values lets an event pass that has one of them. */
export interface SystemEventFilter {
  /** Only events that the user has not read. */
  unreadOnly?: boolean | undefined;
  types?: readonly string[] | undefined;
  actorIds?: readonly string[] | undefined;
  subjectIds?: readonly string[] | undefined;
  workspaceIds?: readonly string[] | undefined;
  /** Only events that occurred at this time or later: a Date, or ISO 8601. */
  occurredFrom?: Date | string | undefined;
  /** Only events that occurred before this time. */
  occurredBefore?: Date | string | undefined;
}

/** The options of `listSystemEvents`. */
export interface ListSystemEventsOptions extends CallOptions, SystemEventFilter {
  /** The `next_cursor` of the page before, with the same filter. Without it, the list begins at the newest. */
  cursor?: string | null | undefined;
  /** The size of the page: 1 to 100. The default is 50. */
  limit?: number | undefined;
  /** How many events to leave out where the page begins: 0 to 10,000. A cursor costs less. */
  skip?: number | undefined;
  /** Whether to count all events that pass the filter. */
  withTotal?: boolean | undefined;
}

/** The options of `allSystemEvents`. */
export interface AllSystemEventsOptions extends CallOptions, SystemEventFilter {
  /** The size of the pages: 1 to 100. The default is 50. */
  limit?: number | undefined;
}

/** The options of `listReaders`. */
export interface ListReadersOptions extends CallOptions {
  /** The `next_cursor` of the page before, of the same event. */
  cursor?: string | null | undefined;
  /** The size of the page: 1 to 100. The default is 50. */
  limit?: number | undefined;
}

/** The options of `allReaders`. */
export interface AllReadersOptions extends CallOptions {
  /** The size of the pages: 1 to 100. The default is 50. */
  limit?: number | undefined;
}

/** The options of `markAllSystemEventsRead` and `undoMarkAllSystemEventsRead`. */
export interface MarkAllOptions extends CallOptions, IdempotencyOptions {}

/** What `getSystemEvents` looks for. */
export interface SystemEventQueryRequest {
  /** ISO 8601. With neither time: the last 24 hours. */
  from_timestamp?: string | undefined;
  to_timestamp?: string | undefined;
  contextId?: string | undefined;
  /** The kind of thing, 0 (workspace) to 13 (conversation). */
  context?: number | undefined;
  /** What happened to it: 0 created, 1 updated, 2 deleted. */
  event?: number | undefined;
  userId?: string | undefined;
  workspaceId?: string | undefined;
  /** If true, only events that the user has not read. */
  showUnread?: boolean | undefined;
  /** 0 to 10,000. */
  skip: number;
  /** 1 to 100. */
  take: number;
}

/** A system event as `getSystemEvents` returns it. */
export interface SystemEventResponse {
  id: number;
  /** ISO 8601, in UTC. */
  timestamp: string;
  contextId: string;
  context: string;
  event: string;
  orgId: string;
  userId: string;
  userName: string;
  userEmail: string;
  workspaceId: string | null;
  /** JSON, or null. */
  jsonData: string | null;
  /** Whether the user has not read it. */
  showUnread: boolean;
}

/** The answer to `getSystemEvents`. */
export interface SystemEventQueryResponse {
  events: SystemEventResponse[];
  /** How many events there are for the query, on this page or not. */
  total: number;
  skip: number;
  take: number;
}
