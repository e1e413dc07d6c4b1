import type { ReadState } from '../client.js';
import { ApiError, InvalidResponseError, TimeoutError } from '../errors.js';
import type { UnreadState } from '../unread.js';
import { backoff, spread } from './backoff.js';
import type { InboxStatus } from './snapshot.js';

/** Milliseconds. The server sends a heartbeat every 25 s. */
const SILENCE = 40_000;
/** How long a stream that does not work is not tried again. */
const STREAM_PAUSE = 5 * 60_000;
/** So many streams in a row that break before their first state are taken for a proxy's doing. */
const FRUITLESS_STREAMS = 3;
/** The shortest time between two streams, also if the server ends each at once. */
const RECONNECT = 500;

/** What a feed tells. */
export interface FeedListener {
  /** `isFirst`: the first state of a new stream. It counts as it is. */
  onState(state: UnreadState, isFirst: boolean): void;
  onStatus(status: InboxStatus, error?: unknown): void;
  /** Something came from the server. */
  onAlive(): void;
}

/** Gets states from the server: from a stream, or by asking where streams do not work. */
export class Feed {
  readonly #client: ReadState;
  readonly #listener: FeedListener;
  readonly #pollInterval: number;
  #attempt = new AbortController();
  #aliveAt = 0;
  #silence = SILENCE;
  #streamAgainAt = 0;
  #fruitless = 0;
  #failures = 0;

  constructor(client: ReadState, pollInterval: number, listener: FeedListener) {
    this.#client = client;
    this.#pollInterval = pollInterval;
    this.#listener = listener;
  }

  /** Runs until the signal fires. */
  async run(signal: AbortSignal): Promise<void> {
    const stop = () => this.#attempt.abort();
    signal.addEventListener('abort', stop);
    this.#listener.onStatus('connecting');
    while (!signal.aborted) {
      this.#attempt = new AbortController();
      this.#alive();
      await pause(await this.#turn(this.#attempt.signal), this.#attempt.signal);
    }
    signal.removeEventListener('abort', stop);
  }

  /** Connects again at once. */
  wake(): void {
    this.#attempt.abort();
  }

  /**
   * Connects again if nothing has come for too long. The clock also tells of a sleep: timers may stand still in one. It
   * may have been set back, so a time in the future counts as well.
   */
  check(): void {
    if (Math.abs(Date.now() - this.#aliveAt) > this.#silence) this.wake();
  }

  /** Streams or polls once. Returns the milliseconds to wait after it. */
  async #turn(signal: AbortSignal): Promise<number> {
    const isStream = Date.now() >= this.#streamAgainAt;
    this.#silence = isStream ? SILENCE : Math.max(SILENCE, 2 * this.#pollInterval);
    try {
      return isStream ? await this.#stream(signal) : await this.#poll(signal);
    } catch (error) {
      // Somebody has woken or stopped this feed.
      if (signal.aborted) return 0;
      if (isStream && this.#isBlocked(error)) {
        this.#streamAgainAt = Date.now() + STREAM_PAUSE;
        return 0;
      }
      this.#failures += 1;
      this.#listener.onStatus('offline', error);
      return Math.max(backoff(this.#failures), error instanceof ApiError ? (error.retryAfter ?? 0) * 1_000 : 0);
    }
  }

  async #stream(signal: AbortSignal): Promise<number> {
    let isFirst = true;
    const onState = (state: UnreadState) => {
      this.#failures = this.#fruitless = 0;
      this.#listener.onStatus('live');
      this.#listener.onState(state, isFirst);
      isFirst = false;
    };
    try {
      const { retryAfter } = await this.#client.watchUnread(onState, { signal, onAlive: () => this.#alive() });
      if (isFirst) throw new InvalidResponseError(200, null);
      return spread(Math.max(retryAfter ?? 0, RECONNECT));
    } catch (error) {
      // A proxy that collects answers shows as a stream that stays silent.
      if (isFirst) this.#fruitless += error instanceof TimeoutError ? FRUITLESS_STREAMS : 1;
      throw error;
    }
  }

  async #poll(signal: AbortSignal): Promise<number> {
    const state = await this.#client.getUnreadState({ signal });
    const wasCut = this.#failures > 0;
    this.#failures = 0;
    this.#alive();
    this.#listener.onStatus('polling');
    // Each answer may come from another server, but none is older than a mark that has been answered.
    this.#listener.onState(state, wasCut);
    if (!wasCut) return spread(this.#pollInterval);
    // Perhaps it was the network that broke the streams, and not a proxy.
    this.#streamAgainAt = 0;
    return 0;
  }

  /**
   * Whether streams do not work here: the server has none or has too many open, a proxy keeps them back, or they break
   * again and again.
   */
  #isBlocked(error: unknown): boolean {
    if (error instanceof ApiError) return [404, 405, 406, 429, 501].includes(error.status);
    return error instanceof InvalidResponseError || this.#fruitless >= FRUITLESS_STREAMS;
  }

  #alive(): void {
    this.#aliveAt = Date.now();
    this.#listener.onAlive();
  }
}

/** Waits. The signal ends it early. */
async function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise<void>((resolve) => {
    const end = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, milliseconds);
    signal.addEventListener('abort', end);
  });
}
