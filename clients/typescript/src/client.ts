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

/** Milliseconds. The gateway ends every call after 6 s, so its answer comes before this timeout. */
const TIMEOUT = 10_000;

const SYSTEM_EVENTS = 'systemevent/read';
const NOTIFICATIONS = 'v1/messaging/notifications';

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
      { method: 'POST', path: SYSTEM_EVENTS, body: ids(idOrIds), shape: isReadStatus },
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
      { method: 'DELETE', path: SYSTEM_EVENTS, body: ids(idOrIds), shape: isReadStatus },
      options,
    );

  // ── Notifications ──────────────────────────────────────────────────────────────────────────────────────────────────

  /** Returns one page of the user's notifications, newest first. The token needs the scope `messaging:read`. */
  async listNotifications(options: ListNotificationsOptions = {}): Promise<NotificationList> {
    const query = including(options);
    for (const name of ['status', 'category', 'cursor', 'limit'] as const) {
      const value = options[name];
      if (value !== undefined && value !== null) query.set(name, String(value));
    }
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

  /** Counts the notifications that are unseen or unread. The token needs the scope `messaging:read`. */
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
  // With an empty text, `.` or `..` the path would lead elsewhere.
  if (typeof id !== 'string' || /^\.{0,2}$/.test(id)) throw new TypeError('not the id of a notification');
  return `${NOTIFICATIONS}/${encodeURIComponent(id)}`;
}

function including({ include = [] }: IncludeOptions): URLSearchParams {
  return new URLSearchParams(include.map((name) => ['include[]', name]));
}
