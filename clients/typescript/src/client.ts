import { type CallOptions, Http } from './http.js';
import type {
  AllNotificationsOptions,
  GetNotificationOptions,
  IncludeOptions,
  ListNotificationsOptions,
  MarkAllSeenOptions,
  MarkAllSeenResponse,
  Notification,
  NotificationActionOptions,
  NotificationList,
  UnreadSummary,
} from './notifications.js';
import { isMarkedCount, isNotification, isNotificationList, isReadStatus, isUnreadSummary } from './shapes.js';
import type { SystemEventReadStatusResponse } from './system-events.js';
import type { TokenSource } from './token.js';

/** The gateway ends every call after 6 s, so its own answer comes first. */
const TIMEOUT = 10_000;

const SYSTEM_EVENTS = 'systemevent/read';
const NOTIFICATIONS = 'v1/messaging/notifications';

/** What a client is made of. */
export interface ReadStateOptions {
  /** Where the gateway is, such as `https://readstate.example`, with a path where a proxy puts it under one. */
  baseUrl: string | URL;
  /** The bearer token, or a function that returns it. */
  token: TokenSource;
  /** Milliseconds that each call has unless it says otherwise: 10,000 unless given, `Infinity` for no limit. */
  timeout?: number | undefined;
}

/**
 * A client of readstate's REST gateway.
 *
 * Every method rejects with an {@link ApiError} when the server refuses, with a {@link NetworkError} or
 * {@link TimeoutError} when there is no answer, with an {@link InvalidResponseError} when it makes no sense, and with
 * the signal's reason when the caller gives up. Nothing is sent twice, except once after a 401 that a token function
 * can put right.
 *
 * @example
 * ```ts
 * const readstate = new ReadState({ baseUrl: 'https://readstate.example', token: () => session.token() });
 * await readstate.markSystemEventAsRead([12345, 12346]);
 * ```
 */
export class ReadState {
  // `await` also where a promise is only passed on: it keeps the caller in the stack of an error.
  readonly #http: Http;

  /** @throws TypeError if `baseUrl` is no http or https URL. */
  constructor({ baseUrl, token, timeout = TIMEOUT }: ReadStateOptions) {
    this.#http = new Http(baseUrl, token, timeout);
  }

  // ── System events ──────────────────────────────────────────────────────────────────────────────────────────────────

  /**
   * Marks one or more system events as read for the token's user. Events of other organisations, and ids that name no
   * event, are ignored. Safe to repeat. Bound to the client, so it may be passed on by itself.
   */
  readonly markSystemEventAsRead = async (
    idOrIds: number | readonly number[],
    options: CallOptions = {},
  ): Promise<SystemEventReadStatusResponse> =>
    await this.#http.request(
      { method: 'POST', path: SYSTEM_EVENTS, body: ids(idOrIds), shape: isReadStatus },
      options,
    );

  /**
   * Marks one or more system events as unread again. Ids that name nothing the user has read are ignored. Safe to
   * repeat. Bound to the client, so it may be passed on by itself.
   */
  readonly markSystemEventAsUnread = async (
    idOrIds: number | readonly number[],
    options: CallOptions = {},
  ): Promise<SystemEventReadStatusResponse> =>
    await this.#http.request(
      { method: 'DELETE', path: SYSTEM_EVENTS, body: ids(idOrIds), shape: isReadStatus },
      options,
    );

  // ── Notifications ──────────────────────────────────────────────────────────────────────────────────────────────────

  /** One page of the user's notifications, newest first. Needs the scope `messaging:read`, as all that only reads. */
  async listNotifications(options: ListNotificationsOptions = {}): Promise<NotificationList> {
    const query = including(options);
    for (const name of ['status', 'category', 'cursor', 'limit'] as const) {
      const value = options[name];
      if (value !== undefined && value !== null) query.set(name, String(value));
    }
    return await this.#http.request({ method: 'GET', path: NOTIFICATIONS, query, shape: isNotificationList }, options);
  }

  /**
   * All of the user's notifications, newest first, fetched page by page while the loop asks for more. None comes twice,
   * whatever arrives meanwhile. A timeout holds for each page.
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

  /** One notification of the user, a dismissed one too. */
  async getNotification(id: string, options: GetNotificationOptions = {}): Promise<Notification> {
    const query = including(options);
    return await this.#http.request({ method: 'GET', path: notification(id), query, shape: isNotification }, options);
  }

  /**
   * Says that a notification has appeared before the user, and returns it. The first time counts, and a repeat changes
   * nothing. Needs the scope `messaging:update`, as all that changes something.
   */
  async markNotificationSeen(id: string, options: NotificationActionOptions = {}): Promise<Notification> {
    return await this.#act(id, 'seen', options);
  }

  /** Says that the user has opened a notification, and returns it. It becomes seen as well. */
  async markNotificationRead(id: string, options: NotificationActionOptions = {}): Promise<Notification> {
    return await this.#act(id, 'read', options);
  }

  /** Takes a notification out of the user's feed, and returns it. Nothing changes it from then on. */
  async dismissNotification(id: string, options: NotificationActionOptions = {}): Promise<Notification> {
    return await this.#act(id, 'dismiss', options);
  }

  /** Marks the user's notifications as seen: all, or those up to the newest that they have been shown (`upTo`). */
  async markAllNotificationsSeen(options: MarkAllSeenOptions = {}): Promise<MarkAllSeenResponse> {
    const path = `${NOTIFICATIONS}/actions/mark-all-seen`;
    const body = { up_to: options.upTo };
    const { idempotencyKey } = options;
    return await this.#http.request({ method: 'POST', path, body, idempotencyKey, shape: isMarkedCount }, options);
  }

  /** How many of the user's notifications want attention: the number on a bell. */
  async getUnreadSummary(options: CallOptions = {}): Promise<UnreadSummary> {
    const path = `${NOTIFICATIONS}/unread-summary`;
    return await this.#http.request({ method: 'GET', path, shape: isUnreadSummary }, options);
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

function notification(id: string): string {
  // The empty text and dots would name another path than a notification's.
  if (typeof id !== 'string' || /^\.{0,2}$/.test(id)) throw new TypeError('not the id of a notification');
  return `${NOTIFICATIONS}/${encodeURIComponent(id)}`;
}

function including({ include = [] }: IncludeOptions): URLSearchParams {
  return new URLSearchParams(include.map((name) => ['include[]', name]));
}
