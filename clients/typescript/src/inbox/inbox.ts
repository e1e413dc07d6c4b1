import type { ReadState } from '../client.js';
import type { Notification } from '../notifications.js';
import type { SystemEvent, UnreadCount } from '../system-events.js';
import type { UnreadState } from '../unread.js';
import { type Connection, connect, type InboxSharing } from './connection.js';
import { Pages } from './pages.js';
import { allEventsRead, type Change, eventsCounted, eventsMarked, notificationsMoved } from './pending.js';
import type { Moved, View } from './pending.js';
import type { InboxSnapshot, InboxStatus } from './snapshot.js';

/** The settings of an inbox. */
export interface InboxOptions {
  /** How many entries a list loads at once: 1 to 100. The default is 20. */
  pageSize?: number | undefined;
  /** Milliseconds between two questions where streams do not work. The default is 30,000. */
  pollInterval?: number | undefined;
  /**
   * Which tabs of the browser share one stream. By default, those with tokens of the same user: their claims are the
   * same but for the times. A text names the tabs, for tokens that are no JWT. `false`: every tab has its own stream.
   */
  share?: InboxSharing | undefined;
}

/** Which list. */
export type InboxList = 'events' | 'notifications';

/**
 * What one user has not read, live, and what the user does about it. It knows nothing of how it is shown.
 *
 * It is connected while somebody subscribes. `subscribe` and `getSnapshot` fit React's `useSyncExternalStore`. All
 * methods are bound to it.
 *
 * An action changes the snapshot at once. If the server refuses it, the change is taken back, `error` of the snapshot
 * says why, and the promise rejects.
 */
export interface Inbox {
  /** Calls `listener` after every change. Returns a function that ends it. */
  subscribe(listener: () => void): () => void;
  getSnapshot(): InboxSnapshot;
  /** Loads the newest page of a list, in place of what it shows. */
  load(list: InboxList): Promise<void>;
  /** Loads the next page of a list. */
  loadMore(list: InboxList): Promise<void>;
  /** Shows only what is unread, or everything. */
  setUnreadOnly(unreadOnly: boolean): Promise<void>;
  /** Marks events as read, by their ids. */
  markRead(...ids: number[]): Promise<void>;
  /** Marks events as unread, by their ids. */
  markUnread(...ids: number[]): Promise<void>;
  /** Marks all events as read, up to the newest that the list has shown. Later ones stay unread. */
  markAllRead(): Promise<void>;
  /** Makes unread again what the last `markRead` or `markAllRead` has marked. */
  undo(): Promise<void>;
  /** Moves one notification on. */
  moveNotification(id: string, status: Moved): Promise<void>;
  /** Moves all notifications on, up to the newest that the list shows. */
  moveAllNotifications(status: 'seen' | 'read'): Promise<void>;
}

/** Makes an inbox. It belongs to one user: for another user make another one. */
export function createInbox(client: ReadState, options: InboxOptions = {}): Inbox {
  const store = new Store(client, options);
  return {
    subscribe: (listener) => store.subscribe(listener),
    getSnapshot: () => store.snapshot,
    load: (list) => store.pages(list).load(),
    loadMore: (list) => store.pages(list).loadMore(),
    setUnreadOnly: (unreadOnly) => store.setUnreadOnly(unreadOnly),
    markRead: (...ids) => store.markEvents(ids, true),
    markUnread: (...ids) => store.markEvents(ids, false),
    markAllRead: () => store.markAllRead(),
    undo: () => store.undo(),
    moveNotification: (id, status) => store.moveNotification(id, status),
    moveAllNotifications: (status) => store.moveAllNotifications(status),
  };
}

/** What `undo` can take back. */
interface Undoable {
  count: number;
  ids: ReadonlySet<number>;
  /** Null for events that were marked one by one. */
  token: string | null;
}

/** What the server has told, and what is on its way to it. */
class Store {
  readonly #client: ReadState;
  readonly #options: InboxOptions;
  readonly #listeners = new Set<() => void>();
  readonly #events: Pages<SystemEvent>;
  readonly #notifications: Pages<Notification>;
  #connection: Connection | null = null;
  #status: InboxStatus = 'connecting';
  #offlineError: unknown = null;
  #unread: UnreadState | null = null;
  /** What came while actions were on their way: it may hold their effects already, or not. */
  #held: { state: UnreadState; isFirst: boolean } | null = null;
  readonly #pending = new Set<Change>();
  #unreadOnly = false;
  #undoable: Undoable | null = null;
  #error: unknown = null;
  /** What the lists are as of. Events: their `version`. Notifications: all their numbers. */
  #eventsAsOf = -1;
  #notificationsAsOf = '';
  /** What was unread at the last load. It stays in the list of unread ones. */
  #kept = new Set<string>();
  snapshot: InboxSnapshot;

  constructor(client: ReadState, options: InboxOptions) {
    this.#client = client;
    this.#options = options;
    const size = options.pageSize ?? 20;
    const onChange = () => this.#emit();
    this.#events = new Pages<SystemEvent>({
      size,
      onChange,
      fetch: async (cursor, limit) => {
        if (cursor === null) this.#eventsAsOf = this.#unread?.version ?? -1;
        const page = await client.listSystemEvents({ cursor, limit, unreadOnly: this.#unreadOnly });
        this.#onPage(page, cursor === null);
        return { ...page, top: page.head };
      },
      position: ({ seq }) => seq,
      // The list of unread ones keeps what has been read meanwhile: nothing jumps away under the user's hand.
      missing: (event) => (this.#unreadOnly ? { ...event, read: true } : null),
    });
    this.#notifications = new Pages<Notification>({
      size,
      onChange,
      fetch: async (cursor, limit) => {
        const page = await client.listNotifications({ cursor, limit, include: ['sender'] });
        const [newest] = page.data;
        return { ...page, top: newest ? Date.parse(newest.created_at) : 0 };
      },
      position: ({ created_at }) => Date.parse(created_at),
      missing: () => null,
    });
    this.snapshot = this.#makeSnapshot();
  }

  pages(list: InboxList): { load(): Promise<void>; loadMore(): Promise<void> } {
    if (list === 'events') return this.#events;
    const load = async () => {
      this.#kept.clear();
      await this.#notifications.load();
    };
    return { load, loadMore: () => this.#notifications.loadMore() };
  }

  subscribe(listener: () => void): () => void {
    // One function may subscribe twice.
    const own = () => listener();
    this.#listeners.add(own);
    this.#connection ??= connect(this.#client, this.#options, {
      onState: (state, isFirst) => this.#onState(state, isFirst),
      onStatus: (status, error) => this.#onStatus(status, error),
      present: () => this.#unread,
    });
    return () => {
      this.#listeners.delete(own);
      if (this.#listeners.size > 0) return;
      this.#connection?.close();
      this.#connection = null;
    };
  }

  // ── What the server tells ──────────────────────────────────────────────────────────────────────────────────────────

  #onStatus(status: InboxStatus, error: unknown): void {
    if (status === this.#status && error === this.#offlineError) return;
    this.#status = status;
    this.#offlineError = error ?? null;
    this.#emit();
  }

  #onState(state: UnreadState, isFirst: boolean): void {
    if (this.#pending.size > 0) {
      const held = this.#held;
      if (isFirst || !held || !isOlder(state, held.state)) {
        this.#held = { state, isFirst: isFirst || (held?.isFirst ?? false) };
      }
      return;
    }
    if (isFirst || !this.#unread || !isOlder(state, this.#unread)) this.#unread = state;
    this.#catchUp(this.#unread);
    this.#emit();
  }

  /** A page of events tells the numbers too. */
  #onPage({ head, unread_count, version }: UnreadCount, isNewest: boolean): void {
    if (isNewest) this.#eventsAsOf = Math.max(this.#eventsAsOf, version);
    const notifications = this.#unread?.notifications ?? null;
    if (this.#unread) this.#onState({ head, unread_count, version, notifications }, false);
  }

  /** Fetches the lists again if they are not as the numbers are. What fails is tried again with the next numbers. */
  #catchUp({ version, notifications }: UnreadState): void {
    if (this.#events.isLoaded && version !== this.#eventsAsOf) {
      this.#eventsAsOf = version;
      void this.#events.refresh().then(() => this.#events.error && (this.#eventsAsOf = -1));
    }
    const asOf = JSON.stringify(notifications);
    const isOld = asOf !== this.#notificationsAsOf;
    this.#notificationsAsOf = asOf;
    if (!isOld || !this.#notifications.isLoaded) return;
    void this.#notifications.refresh().then(() => this.#notifications.error && (this.#notificationsAsOf = ''));
  }

  // ── What the user does ─────────────────────────────────────────────────────────────────────────────────────────────

  async setUnreadOnly(unreadOnly: boolean): Promise<void> {
    this.#unreadOnly = unreadOnly;
    this.#kept.clear();
    await this.#events.load();
  }

  async markEvents(ids: readonly number[], read: boolean): Promise<void> {
    const marked = new Set(ids);
    const before = new Map(this.#events.items.map((event) => [event.id, event.read]));
    const changing = ids.filter((id) => before.get(id) !== read);
    const change = eventsMarked(({ id }) => marked.has(id), read);
    await this.#act(change, async () => {
      const { head, unread_count, version, changed_count: count } = read
        ? await this.#client.markSystemEventsRead(ids)
        : await this.#client.markSystemEventsUnread(ids);
      this.#undoable = read && count > 0 ? { count, ids: new Set(changing), token: null } : null;
      return { head, unread_count, version };
    });
  }

  async markAllRead(): Promise<void> {
    const upTo = this.#events.isLoaded ? this.#events.top : (this.#unread?.head ?? 0);
    const ids = new Set(this.#events.items.filter(({ seq, read }) => seq <= upTo && !read).map(({ id }) => id));
    await this.#act(allEventsRead(upTo), async () => {
      // With the key, a repeat would get the same token.
      const reply = await this.#client.markAllSystemEventsRead(upTo);
      const { changed_count: count, undo_token: token, unread_count, version } = reply;
      this.#undoable = token === null ? null : { count, ids, token };
      return { unread_count, version };
    });
  }

  async undo(): Promise<void> {
    const undoable = this.#undoable;
    if (!undoable) return;
    this.#undoable = null;
    const { ids, token, count } = undoable;
    if (token === null) return await this.markEvents([...ids], false);
    const mark = eventsMarked(({ id }) => ids.has(id), false);
    const change: Change = (view) => ({ ...mark(view), unread: eventsCounted(count)(view).unread });
    await this.#act(change, async () => {
      try {
        const { unread_count, version } = await this.#client.undoMarkAllSystemEventsRead(token);
        // Events that were not loaded then may be now.
        this.#eventsAsOf = -2;
        return { unread_count, version };
      } catch (error) {
        this.#undoable = undoable;
        throw error;
      }
    });
  }

  async moveNotification(id: string, status: Moved): Promise<void> {
    const way = {
      seen: 'markNotificationSeen',
      read: 'markNotificationRead',
      dismissed: 'dismissNotification',
    } as const;
    await this.#act(notificationsMoved((notification) => notification.id === id, status), async () => {
      await this.#client[way[status]](id);
    });
  }

  async moveAllNotifications(status: 'seen' | 'read'): Promise<void> {
    const { items, top, isLoaded } = this.#notifications;
    const [newest] = items;
    if (!isLoaded || !newest) return;
    const change = notificationsMoved(({ created_at }) => Date.parse(created_at) <= top, status);
    await this.#act(change, async () => {
      if (status === 'seen') await this.#client.markAllNotificationsSeen({ upTo: newest.id });
      else await this.#client.markAllNotificationsRead({ upTo: newest.id });
    });
  }

  /** Shows a change at once, sends it, and takes it back if the server refuses it. `send` returns the new numbers. */
  async #act(change: Change, send: () => Promise<Partial<UnreadState> | void>): Promise<void> {
    this.#pending.add(change);
    this.#emit();
    try {
      const told = await send();
      this.#settle(change, told ?? {});
      this.#error = null;
    } catch (error) {
      this.#error = error;
      throw error;
    } finally {
      this.#pending.delete(change);
      this.#release();
      this.#emit();
    }
  }

  /** The server has done it: what was foretold is so, and its numbers count. */
  #settle(change: Change, told: Partial<UnreadState>): void {
    this.#pending.delete(change);
    const { unread, events, notifications } = change(this.#base());
    this.#events.items = events;
    this.#notifications.items = notifications;
    if (!this.#unread || !unread) return;
    const state = { ...unread, ...told };
    if (isOlder(state, this.#unread)) return;
    // One step means that nobody else has marked meanwhile: then the list is right as it is. What is being loaded may
    // be older than the mark.
    if (state.version <= this.#eventsAsOf + 1 && !this.#events.isLoading) this.#eventsAsOf = state.version;
    this.#unread = state;
    if (!this.#notifications.isLoading) this.#notificationsAsOf = JSON.stringify(state.notifications);
    this.#connection?.tell(state);
    this.#catchUp(state);
  }

  #release(): void {
    const held = this.#held;
    if (!held || this.#pending.size > 0) return;
    this.#held = null;
    this.#onState(held.state, held.isFirst);
  }

  // ── What is shown ──────────────────────────────────────────────────────────────────────────────────────────────────

  #base(): View {
    return { unread: this.#unread, events: this.#events.items, notifications: this.#notifications.items };
  }

  #emit(): void {
    this.snapshot = this.#makeSnapshot();
    for (const listener of [...this.#listeners]) {
      try {
        listener();
      } catch (error) {
        // It is the listener's, and no reason to lose the stream.
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  }

  #makeSnapshot(): InboxSnapshot {
    const view = [...this.#pending].reduce((view, change) => change(view), this.#base());
    const events = this.#events.snapshot(view.events);
    const head = view.unread?.head ?? 0;
    return {
      status: this.#status,
      unread: view.unread,
      events: { ...events, newCount: events.isLoaded ? Math.max(0, head - this.#events.top) : 0 },
      notifications: this.#notifications.snapshot(view.notifications.filter((entry) => this.#isShown(entry))),
      unreadOnly: this.#unreadOnly,
      undoCount: this.#undoable?.count ?? null,
      error: this.#error,
      offlineError: this.#offlineError,
    };
  }

  /** The list of unread ones keeps what has been read meanwhile. The server has no such list of notifications. */
  #isShown({ id, status }: Notification): boolean {
    if (!this.#unreadOnly) return true;
    if (status !== 'read') this.#kept.add(id);
    return this.#kept.has(id);
  }
}

/** Whether a state is not newer: one of its parts is smaller. */
function isOlder(state: UnreadState, than: UnreadState): boolean {
  const [mine, theirs] = [state.notifications?.version, than.notifications?.version];
  return state.version < than.version || state.head < than.head || (mine ?? Infinity) < (theirs ?? -Infinity);
}
