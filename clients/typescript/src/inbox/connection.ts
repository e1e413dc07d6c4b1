import type { ReadState } from '../client.js';
import type { UnreadState } from '../unread.js';
import { Feed } from './feed.js';
import type { InboxStatus } from './snapshot.js';
import { Tabs } from './tabs.js';

/** Which tabs share a stream: those of one user, those with this name, or none. */
export type InboxSharing = boolean | string;

/** What an inbox hears. */
export interface ConnectionListener {
  onState(state: UnreadState, isFirst: boolean): void;
  onStatus(status: InboxStatus, error: unknown): void;
  /** What it knows: for a tab that has just opened. */
  present(): UnreadState | null;
}

/** The way to the server, by this tab or by another one. */
export interface Connection {
  /** Tells the other tabs what an answer has told this one. */
  tell(state: UnreadState): void;
  close(): void;
}

/** What tabs say to each other. `to` is the tab that has asked. */
interface Message {
  ask?: string;
  to?: string;
  state?: UnreadState | null;
  isFirst?: boolean;
  status?: InboxStatus;
}

/** Milliseconds. Shorter than any of the times that are measured with it. */
const TICK = 5_000;
/** A leader that says nothing for so long is asleep: it passes on each heartbeat of the server. */
const SILENCE = 60_000;
const POLL_INTERVAL = 30_000;
const NETWORK_EVENTS = ['online', 'offline'] as const;

export function connect(
  client: ReadState,
  options: { share?: InboxSharing | undefined; pollInterval?: number | undefined },
  listener: ConnectionListener,
): Connection {
  const { share = true, pollInterval = POLL_INTERVAL } = options;
  const own = `${Date.now()}-${Math.random()}`;
  const ended = new AbortController();
  let status: InboxStatus = 'connecting';
  let heardAt = Date.now();
  let tabs: Tabs<Message> | null = null;

  const feed = new Feed(client, pollInterval, {
    onState(state, isFirst) {
      tabs?.post({ state, isFirst });
      listener.onState(state, isFirst);
    },
    onStatus(now, error) {
      status = now;
      tabs?.post({ status });
      listener.onStatus(now, error);
    },
    onAlive: () => tabs?.post({}),
  });

  function onMessage(message: Message): void {
    const { ask, to, state, isFirst = false } = message;
    if (ask !== undefined) {
      if (tabs?.isLeading) tabs.post({ to: ask, state: listener.present(), status, isFirst: true });
      return;
    }
    heardAt = Date.now();
    if (to !== undefined && to !== own) return;
    if (message.status) listener.onStatus(message.status, null);
    if (state) listener.onState(state, isFirst);
  }

  function check(): void {
    if (tabs?.isLeading) return feed.check();
    if (Math.abs(Date.now() - heardAt) > Math.max(SILENCE, 3 * pollInterval)) tabs?.missLeader({ ask: own });
  }

  async function run(): Promise<void> {
    // Without a token there is no name yet, and no stream either.
    const user = share === true ? await client.getIdentity().catch(() => null) : share;
    if (ended.signal.aborted) return;
    tabs = new Tabs(user ? `readstate ${user}` : null, { lead: (signal) => feed.run(signal), onMessage });
    const running = tabs.run(ended.signal);
    tabs.post({ ask: own });
    await running;
  }

  // A cut shows at once in this way, and not only when a heartbeat is missing.
  const onNetwork = () => feed.wake();
  const timer = setInterval(check, TICK);
  for (const event of NETWORK_EVENTS) globalThis.addEventListener?.(event, onNetwork);
  globalThis.document?.addEventListener('visibilitychange', check);
  void run();
  return {
    tell: (state) => tabs?.post({ state }),
    close() {
      ended.abort();
      clearInterval(timer);
      for (const event of NETWORK_EVENTS) globalThis.removeEventListener?.(event, onNetwork);
      globalThis.document?.removeEventListener('visibilitychange', check);
    },
  };
}
