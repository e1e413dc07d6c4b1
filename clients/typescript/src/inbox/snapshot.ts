import type { Notification } from '../notifications.js';
import type { SystemEvent } from '../system-events.js';
import type { UnreadState } from '../unread.js';

/**
 * How the numbers come. `live`: from a stream. `polling`: the stream does not work here, the numbers come twice a
 * minute. `connecting`: not yet. `offline`: the server cannot be reached, or it refuses. The numbers are old then.
 */
export type InboxStatus = 'connecting' | 'live' | 'polling' | 'offline';

/** One list, as far as it has been loaded. Newest first. */
export interface ListSnapshot<T> {
  items: readonly T[];
  /** Whether a page has been loaded. */
  isLoaded: boolean;
  isLoading: boolean;
  /** Whether there are older ones to load. */
  hasMore: boolean;
  /** How many are newer than the list. `load` shows them. */
  newCount: number;
  /** Why the last page could not be loaded. */
  error: unknown;
}

/** What an inbox shows. It is never changed: every change makes another one. */
export interface InboxSnapshot {
  status: InboxStatus;
  /** Null until the first numbers come. Marks that the server has not answered are counted already. */
  unread: UnreadState | null;
  events: ListSnapshot<SystemEvent>;
  notifications: ListSnapshot<Notification>;
  /** Whether the lists hold only what is unread. What is marked meanwhile stays until the next `load`. */
  unreadOnly: boolean;
  /** How many events `undo` would make unread again. Null if it cannot. */
  undoCount: number | null;
  /** Why the last action failed. The next one that works clears it. */
  error: unknown;
  /** Why there are no new numbers, if the status is `offline`. */
  offlineError: unknown;
}
