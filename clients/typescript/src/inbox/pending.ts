import type { Notification } from '../notifications.js';
import type { SystemEvent } from '../system-events.js';
import type { UnreadState } from '../unread.js';

/** What the user sees: numbers and lists. */
export interface View {
  unread: UnreadState | null;
  events: readonly SystemEvent[];
  notifications: readonly Notification[];
}

/** An action on its way: what the view will be once the server has answered. */
export type Change = (view: View) => View;

/**
 * Events become read or unread. Of events that are not loaded the count cannot be foretold. The first view says how far
 * the count changes: a later one may have lists that know of it already, beside numbers that do not.
 */
export function eventsMarked(isMarked: (event: SystemEvent) => boolean, read: boolean): Change {
  let count: number | undefined;
  return (view) => {
    const changes = (event: SystemEvent) => event.read !== read && isMarked(event);
    count ??= view.events.filter(changes).length;
    return {
      ...view,
      events: view.events.map((event) => (changes(event) ? { ...event, read } : event)),
      unread: view.unread && withEvents(view.unread, view.unread.unread_count + (read ? -count : count)),
    };
  };
}

/** All events up to a position become read. What is newer than it is taken for unread. */
export function allEventsRead(upTo: number): Change {
  const mark = eventsMarked(({ seq }) => seq <= upTo, true);
  return (view) => {
    const marked = mark(view);
    const { unread } = view;
    return { ...marked, unread: unread && withEvents(unread, Math.min(unread.unread_count, unread.head - upTo)) };
  };
}

/** The count changes by a number that the server has told. */
export function eventsCounted(difference: number): Change {
  return (view) => ({
    ...view,
    unread: view.unread && withEvents(view.unread, view.unread.unread_count + difference),
  });
}

/** Notifications become seen, read or dismissed. They never go back. */
export function notificationsMoved(isMoved: (notification: Notification) => boolean, status: Moved): Change {
  let counts: [number, number] | undefined;
  return (view) => {
    const moves = (notification: Notification) => isMoved(notification) && ORDER[notification.status] < ORDER[status];
    const below = (limit: Moved) =>
      view.notifications.filter((entry) => moves(entry) && ORDER[entry.status] < ORDER[limit]).length;
    const [unseen, unread] = (counts ??= [below('seen'), status === 'seen' ? 0 : below('read')]);
    return {
      ...view,
      notifications: view.notifications
        .map((notification) => (moves(notification) ? { ...notification, status } : notification))
        .filter((notification) => notification.status !== 'dismissed'),
      unread: view.unread && withNotifications(view.unread, unseen, unread),
    };
  };
}

/** Where a notification can be moved to. It never moves back. */
export type Moved = 'seen' | 'read' | 'dismissed';

const ORDER = { unseen: 0, seen: 1, read: 2, dismissed: 3 };

function withEvents(unread: UnreadState, count: number): UnreadState {
  return { ...unread, unread_count: Math.max(0, count) };
}

function withNotifications(state: UnreadState, unseen: number, unread: number): UnreadState {
  const { notifications } = state;
  if (!notifications) return state;
  const less = (count: number, by: number) => Math.max(0, count - by);
  const after = { unseen: less(notifications.unseen, unseen), unread: less(notifications.unread, unread) };
  return { ...state, notifications: { ...notifications, ...after } };
}
