import { ForbiddenError } from './errors.js';
import { type CallOptions, Http } from './http.js';
import { parse } from './json.js';
import type {
  AllNotificationsOptions,
  GetNotificationOptions,
  IncludeOptions,
  ListNotificationsOptions,
  MarkAllReadOptions,
  MarkAllReadResponse,
  MarkAllSeenOptions,
  MarkAllSeenResponse,
  Notification,
  NotificationActionOptions,
  NotificationList,
  UnreadSummary,
} from './notifications.js';
import {
  isEventQueryResponse,
  isMarkedAll,
  isMarkedCount,
  isMarkedEvents,
  isNotification,
  isNotificationList,
  isReaderList,
  isReadStatus,
  isSystemEventList,
  isUndoneMarkAll,
  isUnreadCount,
  isUnreadState,
  isUnreadSummary,
} from './shapes.js';
import { SseReader } from './sse.js';
import type {
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
  SystemEventList,
  SystemEventQueryRequest,
  SystemEventQueryResponse,
  SystemEventReadStatusResponse,
  UndoneMarkAll,
  UnreadCount,
} from './system-events.js';
import type { TokenSource } from './token.js';
import type { StreamEnd, UnreadNotifications, UnreadState, WatchUnreadOptions } from './unread.js';

/** Milliseconds. The gateway ends every call after 6 s, so its answer comes before this timeout. */
const TIMEOUT = 10_000;

const SYSTEM_EVENT = 'systemevent';
const SYSTEM_EVENTS = 'v1/system-events';
const NOTIFICATIONS = 'v1/messaging/notifications';
const UNREAD_STREAM = 'v1/unread/stream';

/** Milliseconds. The server sends a heartbeat every 25 s, so two have been missed. */
const IDLE_TIMEOUT = 60_000;

/** The settings of a client. */
export interface ReadStateOptions {
  /** The URL of the gateway, such as `https://readstate.example`. A proxy may put the gateway under a path. */
  baseUrl: string | URL;
  /** The bearer token, or a function that returns one. */
  token: TokenSource;
  /** The time for each call in milliseconds. The default is 10,000. `Infinity` means no limit. */
  timeout?: number | undefined;
}

/**
 * A client of readstate's REST gateway.
 *
 * Every method rejects with one of these:
 *
 * - {@link ApiError}: the server refuses the call.
 * - {@link NetworkError} or {@link TimeoutError}: no complete answer arrives.
 * - {@link InvalidResponseError}: the answer does not come from readstate.
 * - The reason of the caller's signal: the caller ends the call.
 *
 * The client sends no call twice, with one exception. After a 401 it asks a token function for a new token, and sends
 * the call once more.
 *
 * @example
 * ```ts
 * const readstate = new ReadState({ baseUrl: 'https://readstate.example', token: () => session.token() });
 * await readstate.markSystemEventAsRead([12345, 12346]);
 * ```
 */
export class ReadState {
  // The methods await what they return. Otherwise the stack of an error would not show the caller.
  readonly #http: Http;

  /** @throws TypeError if `baseUrl` is not an http or https URL. */
  constructor({ baseUrl, token, timeout = TIMEOUT }: ReadStateOptions) {
    this.#http = new Http(baseUrl, token, timeout);
  }

  // ── System events ──────────────────────────────────────────────────────────────────────────────────────────────────

  /**
   * Marks one or more system events as read for the token's user. It ignores events of other organisations and unknown
   * ids. It is safe to repeat. It is bound to the client, so `const { markSystemEventAsRead } = readstate` works.
   */
  readonly markSystemEventAsRead = async (
    idOrIds: number | readonly number[],
    options: CallOptions = {},
  ): Promise<SystemEventReadStatusResponse> =>
    await this.#http.request(
      { method: 'POST', path: `${SYSTEM_EVENT}/read`, body: ids(idOrIds), shape: isReadStatus },
      options,
    );

  /**
   * Marks one or more system events as unread again. It ignores events that the user has not read and unknown ids. It
   * is safe to repeat. It is bound to the client, so `const { markSystemEventAsUnread } = readstate` works.
   */
  readonly markSystemEventAsUnread = async (
    idOrIds: number | readonly number[],
    options: CallOptions = {},
  ): Promise<SystemEventReadStatusResponse> =>
    await this.#http.request(
      { method: 'DELETE', path: `${SYSTEM_EVENT}/read`, body: ids(idOrIds), shape: isReadStatus },
      options,
    );

  /**
   * Returns events of the user's organisation, newest first, with the number of all that match. It is bound to the
   * client, so `const { getSystemEvents } = readstate` works. For new programs, `listSystemEvents` does more.
   */
  readonly getSystemEvents = async (
    query: SystemEventQueryRequest,
    options: CallOptions = {},
  ): Promise<SystemEventQueryResponse> =>
    await this.#http.request(
      { method: 'POST', path: SYSTEM_EVENT, body: query, shape: isEventQueryResponse },
      options,
    );

  /** Returns one page of the organisation's events, newest first. It tells what the user has not read. */
  async listSystemEvents(options: ListSystemEventsOptions = {}): Promise<SystemEventList> {
    const query = systemEventQuery(options);
    return await this.#http.request({ method: 'GET', path: SYSTEM_EVENTS, query, shape: isSystemEventList }, options);
  }

  /**
   * Iterates over all of the organisation's events, newest first. It fetches a page when the loop needs one. No event
   * comes twice, even if new ones are recorded. The timeout is for each page.
   *
   * @example
   * ```ts
   * for await (const event of readstate.allSystemEvents({ unreadOnly: true })) show(event);
   * ```
   */
  async *allSystemEvents(options: AllSystemEventsOptions = {}): AsyncGenerator<SystemEvent, void, undefined> {
    let cursor: string | null = null;
    do {
      const page: SystemEventList = await this.listSystemEvents({ ...options, cursor });
      yield* page.data;
      cursor = page.next_cursor;
    } while (cursor !== null);
  }

  /** Counts the events that the user has not read. */
  async getUnreadCount(options: CallOptions = {}): Promise<UnreadCount> {
    const path = `${SYSTEM_EVENTS}/unread-count`;
    return await this.#http.request({ method: 'GET', path, shape: isUnreadCount }, options);
  }

  /** Marks one or more events as read, as `markSystemEventAsRead` does. It returns what changed and what is unread. */
  async markSystemEventsRead(idOrIds: number | readonly number[], options: CallOptions = {}): Promise<MarkedEvents> {
    return await this.#mark('mark-read', idOrIds, options);
  }

  /** Marks one or more events as unread, as `markSystemEventAsUnread` does. It returns what changed and what is unread. */
  async markSystemEventsUnread(idOrIds: number | readonly number[], options: CallOptions = {}): Promise<MarkedEvents> {
    return await this.#mark('mark-unread', idOrIds, options);
  }

  /**
   * Marks all events up to `upTo` as read: the `seq` of the newest event on the screen, or a `head`. Newer ones stay
   * unread. The `undo_token` of the answer undoes it.
   */
  async markAllSystemEventsRead(upTo: number, options: MarkAllOptions = {}): Promise<MarkedAll> {
    const path = `${SYSTEM_EVENTS}/actions/mark-all-read`;
    const { idempotencyKey } = options;
    const body = { up_to: upTo };
    return await this.#http.request({ method: 'POST', path, body, idempotencyKey, shape: isMarkedAll }, options);
  }

  /** Makes unread again what one `markAllSystemEventsRead` changed, and nothing else. */
  async undoMarkAllSystemEventsRead(undoToken: string, options: MarkAllOptions = {}): Promise<UndoneMarkAll> {
    const path = `${SYSTEM_EVENTS}/actions/undo-mark-all-read`;
    const { idempotencyKey } = options;
    const body = { undo_token: undoToken };
    return await this.#http.request({ method: 'POST', path, body, idempotencyKey, shape: isUndoneMarkAll }, options);
  }

  /** Returns one page of the members who have read an event. The token needs the scope `system_events:audit`. */
  async listReaders(id: number, options: ListReadersOptions = {}): Promise<ReaderList> {
    const path = `${SYSTEM_EVENTS}/${encodeURIComponent(id)}/readers`;
    const query = new URLSearchParams();
    setAll(query, { cursor: options.cursor, limit: options.limit });
    return await this.#http.request({ method: 'GET', path, query, shape: isReaderList }, options);
  }

  /**
   * Iterates over all members who have read an event. It fetches a page when the loop needs one. The timeout is for
   * each page. The token needs the scope `system_events:audit`.
   */
  async *allReaders(id: number, options: AllReadersOptions = {}): AsyncGenerator<Reader, void, undefined> {
    let cursor: string | null = null;
    do {
      const page: ReaderList = await this.listReaders(id, { ...options, cursor });
      yield* page.data;
      cursor = page.next_cursor;
    } while (cursor !== null);
  }

  // ── What is unread, live ───────────────────────────────────────────────────────────────────────────────────────────

  /**
   * Calls `onState` with what is unread: once at the start, then after every change. It opens one stream, and resolves
   * when the server ends it. `createInbox` opens streams again by itself, and shares one between the tabs of a browser.
   *
   * The first state of a stream is right as it is. Later ones are never older.
   */
  async watchUnread(onState: (state: UnreadState) => void, options: WatchUnreadOptions = {}): Promise<StreamEnd> {
    const { signal, timeout = TIMEOUT, idleTimeout = IDLE_TIMEOUT, onAlive } = options;
    const events = new SseReader(({ name, data }) => {
      const state = parse(data);
      if (name === 'unread' && isUnreadState(state)) onState({ ...state, notifications: state.notifications ?? null });
    });
    const read = (bytes: Uint8Array) => {
      onAlive?.();
      events.read(bytes);
    };
    await this.#http.stream({ path: UNREAD_STREAM, type: 'text/event-stream', timeout, idleTimeout, read }, signal);
    return { retryAfter: events.retry };
  }

  /**
   * Returns what is unread, of events and notifications. It takes two calls. The client keeps both answers, so the
   * server sends each again only if it has changed.
   */
  async getUnreadState(options: CallOptions = {}): Promise<UnreadState> {
    const kept = { method: 'GET', kept: true } as const;
    const events = { ...kept, path: `${SYSTEM_EVENTS}/unread-count`, shape: isUnreadCount };
    const summary = { ...kept, path: `${NOTIFICATIONS}/unread-summary`, shape: isUnreadSummary };
    const [state, notifications] = await Promise.all([
      this.#http.request(events, options),
      this.#http.request(summary, options).catch(nullIfForbidden),
    ]);
    const { head, unread_count, version } = state;
    return { head, unread_count, version, notifications: notifications && unversioned(notifications) };
  }

  /** Returns a text that names the user of the token: all tokens of one user have the same. Null if it cannot tell. */
  async getIdentity(): Promise<string | null> {
    return await this.#http.identity();
  }

  // ── Notifications ──────────────────────────────────────────────────────────────────────────────────────────────────

  /** Returns one page of the user's notifications, newest first. The token needs the scope `messaging:read`. */
  async listNotifications(options: ListNotificationsOptions = {}): Promise<NotificationList> {
    const { status, category, cursor, limit } = options;
    const query = including(options);
    setAll(query, { status, category, cursor, limit });
    return await this.#http.request({ method: 'GET', path: NOTIFICATIONS, query, shape: isNotificationList }, options);
  }

  /**
   * Iterates over all of the user's notifications, newest first. It fetches a page when the loop needs one. No
   * notification comes twice, even if new ones arrive. The timeout is for each page. The token needs the scope
   * `messaging:read`.
   *
   * @example
   * ```ts
   * for await (const notification of readstate.allNotifications({ status: 'unseen' })) show(notification);
   * ```
   */
  async *allNotifications(options: AllNotificationsOptions = {}): AsyncGenerator<Notification, void, undefined> {
    let cursor: string | null = null;
    do {
      const page: NotificationList = await this.listNotifications({ ...options, cursor });
      yield* page.data;
      cursor = page.next_cursor;
    } while (cursor !== null);
  }

  /** Returns one notification of the user, also a dismissed one. The token needs the scope `messaging:read`. */
  async getNotification(id: string, options: GetNotificationOptions = {}): Promise<Notification> {
    const query = including(options);
    return await this.#http.request({ method: 'GET', path: notification(id), query, shape: isNotification }, options);
  }

  /**
   * Marks a notification as seen, and returns it. Call it when the notification appears on the screen. A repeat changes
   * nothing. The token needs the scope `messaging:update`.
   */
  async markNotificationSeen(id: string, options: NotificationActionOptions = {}): Promise<Notification> {
    return await this.#act(id, 'seen', options);
  }

  /**
   * Marks a notification as read, and returns it. Call it when the user opens the notification. It counts as
   * seen then, too. A repeat changes nothing. The token needs the scope `messaging:update`.
   */
  async markNotificationRead(id: string, options: NotificationActionOptions = {}): Promise<Notification> {
    return await this.#act(id, 'read', options);
  }

  /**
   * Removes a notification from the user's list, and returns it. After that nothing changes it. The token needs the
   * scope `messaging:update`.
   */
  async dismissNotification(id: string, options: NotificationActionOptions = {}): Promise<Notification> {
    return await this.#act(id, 'dismiss', options);
  }

  /**
   * Marks the user's notifications as seen. `upTo` is the newest one on the screen: newer ones stay unseen. Without it,
   * all become seen. The token needs the scope `messaging:update`.
   */
  async markAllNotificationsSeen(options: MarkAllSeenOptions = {}): Promise<MarkAllSeenResponse> {
    const path = `${NOTIFICATIONS}/actions/mark-all-seen`;
    const body = { up_to: options.upTo };
    const { idempotencyKey } = options;
    return await this.#http.request({ method: 'POST', path, body, idempotencyKey, shape: isMarkedCount }, options);
  }

  /**
   * Marks the user's notifications as read, and as seen. `upTo` is the newest one on the screen: newer ones stay as they
   * are. Without it, all become read. The token needs the scope `messaging:update`.
   */
  async markAllNotificationsRead(options: MarkAllReadOptions = {}): Promise<MarkAllReadResponse> {
    const path = `${NOTIFICATIONS}/actions/mark-all-read`;
    const body = { up_to: options.upTo };
    const { idempotencyKey } = options;
    return await this.#http.request({ method: 'POST', path, body, idempotencyKey, shape: isMarkedCount }, options);
  }

  /** Counts the notifications that are unseen or unread. The token needs the scope `messaging:read`. */
  async getUnreadSummary(options: CallOptions = {}): Promise<UnreadSummary> {
    const path = `${NOTIFICATIONS}/unread-summary`;
    return await this.#http.request({ method: 'GET', path, shape: isUnreadSummary }, options);
  }

  async #mark(action: string, idOrIds: number | readonly number[], options: CallOptions): Promise<MarkedEvents> {
    const path = `${SYSTEM_EVENTS}/actions/${action}`;
    return await this.#http.request({ method: 'POST', path, body: ids(idOrIds), shape: isMarkedEvents }, options);
  }

  async #act(id: string, action: string, options: NotificationActionOptions): Promise<Notification> {
    const path = `${notification(id)}/actions/${action}`;
    const query = including(options);
    const { idempotencyKey } = options;
    return await this.#http.request({ method: 'POST', path, query, idempotencyKey, shape: isNotification }, options);
  }
}

function ids(idOrIds: number | readonly number[]): object {
  return Array.isArray(idOrIds) ? { ids: idOrIds } : { id: idOrIds };
}

function systemEventQuery(options: ListSystemEventsOptions): URLSearchParams {
  const lists = {
    types: options.types,
    actor_ids: options.actorIds,
    subject_ids: options.subjectIds,
    workspace_ids: options.workspaceIds,
  };
  const query = new URLSearchParams(
    Object.entries(lists).flatMap(([name, values = []]) => values.map((value) => [name, value])),
  );
  setAll(query, {
    unread_only: options.unreadOnly,
    occurred_from: time(options.occurredFrom),
    occurred_before: time(options.occurredBefore),
    cursor: options.cursor,
    limit: options.limit,
    skip: options.skip,
    with_total: options.withTotal,
  });
  return query;
}

function unversioned({ unseen_count: unseen, unread_count: unread }: UnreadSummary): UnreadNotifications {
  return { unseen, unread, version: null };
}

function nullIfForbidden(error: unknown): null {
  if (error instanceof ForbiddenError) return null;
  throw error;
}

function time(value: Date | string | undefined): string | undefined {
  return value instanceof Date ? value.toISOString() : value;
}

/** Sets what has a value. */
function setAll(query: URLSearchParams, values: Record<string, string | number | boolean | null | undefined>): void {
  for (const [name, value] of Object.entries(values)) {
    if (value !== undefined && value !== null) query.set(name, String(value));
  }
}

function notification(id: string): string {
  // With an empty text, `.` or `..` the path would lead elsewhere.
  if (typeof id !== 'string' || /^\.{0,2}$/.test(id)) throw new TypeError('not the id of a notification');
  return `${NOTIFICATIONS}/${encodeURIComponent(id)}`;
}

function including({ include = [] }: IncludeOptions): URLSearchParams {
  return new URLSearchParams(include.map((name) => ['include[]', name]));
}
