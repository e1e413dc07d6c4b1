import type { CallOptions } from './http.js';

/** What of the notifications needs attention. */
export interface UnreadNotifications {
  unseen: number;
  unread: number;
  /** It rises with every change. Null if the answer does not tell it: only the stream does. */
  version: number | null;
}

/** What the user has not read, as a whole: never a difference to what was before. */
export interface UnreadState {
  unread_count: number;
  /** The largest `seq` of the organisation. 0 if nothing has been recorded. */
  head: number;
  /** It rises with every change of what the user has read. */
  version: number;
  /** Null if the token lacks the scope `messaging:read`. */
  notifications: UnreadNotifications | null;
}

/** The options of `watchUnread`. `timeout` is the time until the first state comes. */
export interface WatchUnreadOptions extends CallOptions {
  /**
   * The stream ends with a TimeoutError if nothing comes for so many milliseconds. The server sends a heartbeat every
   * 25 s. The default is 60,000.
   */
  idleTimeout?: number | undefined;
  /** Called for everything that comes, heartbeats too. */
  onAlive?: (() => void) | undefined;
}

/** How a stream has ended. */
export interface StreamEnd {
  /** After so many milliseconds the client may connect again. Null if the server has not said it. */
  retryAfter: number | null;
}
