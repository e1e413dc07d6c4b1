/** Milliseconds: so long a leader has to answer. */
const TAKE_OVER_GRACE = 4_000;

/** What the tabs of one user in one browser do together. */
export interface TabsListener<M> {
  /** This tab leads until the signal fires. */
  lead(signal: AbortSignal): Promise<void>;
  /** Another tab says something to all. */
  onMessage(message: M): void;
}

/**
 * The tabs of a browser that show the inbox of one user. One of them leads: it holds a Web Lock. When it closes, the
 * browser gives the lock to the next. A tab that the browser has put to sleep may hold the lock and do nothing: the
 * others take it over.
 *
 * Without Web Locks (a page over plain http) or without a name, every tab leads for itself.
 */
export class Tabs<M> {
  readonly #name: string | null;
  readonly #listener: TabsListener<M>;
  #channel: BroadcastChannel | null = null;
  #turn = new AbortController();
  #isLeading = false;
  #isStealing = false;
  #askedAt = 0;

  constructor(name: string | null, listener: TabsListener<M>) {
    this.#name = name;
    this.#listener = listener;
  }

  get isLeading(): boolean {
    return this.#isLeading;
  }

  /** Runs until the signal fires. */
  async run(signal: AbortSignal): Promise<void> {
    const locks = globalThis.navigator?.locks as LockManager | undefined;
    if (this.#name === null || !locks || !globalThis.BroadcastChannel) {
      this.#isLeading = true;
      return await this.#listener.lead(signal);
    }
    const channel = (this.#channel = new BroadcastChannel(this.#name));
    channel.onmessage = ({ data }) => this.#listener.onMessage(data as M);
    const stop = () => this.#turn.abort();
    signal.addEventListener('abort', stop);
    while (!signal.aborted) await this.#wait(locks, this.#name);
    signal.removeEventListener('abort', stop);
    this.#channel = null;
    channel.close();
  }

  /** Says something to the other tabs. */
  post(message: M): void {
    this.#channel?.postMessage(message);
  }

  /** The leader is silent. The first call asks it with `ask`. If it still does not answer, a later call replaces it. */
  missLeader(ask: M): void {
    if (this.#isLeading) return;
    const now = Date.now();
    const waited = now - this.#askedAt;
    if (waited < TAKE_OVER_GRACE) return;
    this.#askedAt = now;
    // A call long ago has been answered.
    if (waited > 5 * TAKE_OVER_GRACE) return this.post(ask);
    this.#isStealing = true;
    this.#turn.abort();
  }

  /** Waits for the lock, and leads until it is taken away. */
  async #wait(locks: LockManager, name: string): Promise<void> {
    const turn = (this.#turn = new AbortController());
    // The browser allows no signal for a lock that is taken over.
    const options = this.#isStealing ? { steal: true } : { signal: turn.signal };
    this.#isStealing = false;
    try {
      await locks.request(name, options, async () => {
        if (turn.signal.aborted) return;
        this.#isLeading = true;
        await this.#listener.lead(turn.signal);
      });
    } catch (error) {
      // The wait has ended, or another tab has taken the lock over. Otherwise the page may have no locks.
      if ((error as Error).name !== 'AbortError') {
        this.#isLeading = true;
        await this.#listener.lead(turn.signal);
      }
    } finally {
      this.#isLeading = false;
      turn.abort();
    }
  }
}
