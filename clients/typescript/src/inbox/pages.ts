import type { ListSnapshot } from './snapshot.js';

/** A page of a list, newest first. */
export interface Page<T> {
  data: readonly T[];
  next_cursor: string | null;
  /** The position of the newest entry that the server could have listed. */
  top: number;
}

/** What a list is made of. */
export interface PagesOptions<T> {
  fetch(cursor: string | null, limit: number): Promise<Page<T>>;
  /** It never rises from entry to entry. Neighbours may share one. */
  position(entry: T): number;
  /** What an entry has become that the server no longer lists. Null leaves it out. */
  missing(entry: T): T | null;
  /** Called after every change. */
  onChange(): void;
  size: number;
}

/** The largest page that the server sends. */
const LARGEST_PAGE = 100;
/** A longer list is cut when it is fetched again. Scrolling loads the rest once more. */
const MOST_KEPT = 500;

/** The pages of a list that have been loaded, as the server knows them. */
export class Pages<T extends { id: number | string }> {
  items: readonly T[] = [];
  isLoaded = false;
  /** The position up to which the list has been shown. */
  top = 0;
  /** How many entries the last refresh has found above `top`. */
  newCount = 0;
  error: unknown = null;
  readonly #options: PagesOptions<T>;
  #running = 0;
  #cursor: string | null = null;
  #queue: Promise<void> = Promise.resolve();

  constructor(options: PagesOptions<T>) {
    this.#options = options;
  }

  get isLoading(): boolean {
    return this.#running > 0;
  }

  /** Loads the newest page in place of all. */
  load(): Promise<void> {
    return this.#next(async () => {
      const page = await this.#options.fetch(null, this.#options.size);
      this.#set(page.data, page.next_cursor);
      this.isLoaded = true;
      this.top = page.top;
      this.newCount = 0;
    });
  }

  /** Loads the next page. */
  loadMore(): Promise<void> {
    return this.#next(async () => {
      if (this.#cursor === null) return;
      const page = await this.#options.fetch(this.#cursor, this.#options.size);
      this.#set([...this.items, ...page.data], page.next_cursor);
    });
  }

  /** Fetches again what has been loaded, because it has changed. What is newer is counted and stays out. */
  refresh(): Promise<void> {
    return this.#next(async () => {
      if (!this.isLoaded) return;
      const { fetch, position } = this.#options;
      const last = this.items.at(-1);
      const end = last === undefined ? this.top : position(last);
      const fetched: T[] = [];
      const isEnough = () => fetched.length >= MOST_KEPT || fetched.some((entry) => position(entry) <= end);
      let cursor: string | null = null;
      do {
        const page: Page<T> = await fetch(cursor, LARGEST_PAGE);
        fetched.push(...page.data);
        cursor = page.next_cursor;
      } while (cursor !== null && !isEnough());
      this.#merge(fetched, cursor);
    });
  }

  snapshot(items: readonly T[]): ListSnapshot<T> {
    const { isLoaded, isLoading, newCount, error } = this;
    return { items, isLoaded, isLoading, hasMore: this.#cursor !== null, newCount, error };
  }

  #merge(fetched: readonly T[], cursor: string | null): void {
    const { position, missing } = this.#options;
    const shown = fetched.filter((entry) => position(entry) <= this.top);
    this.newCount = fetched.length - shown.length;
    // So many are new that the list has not been reached.
    if (shown.length === 0 && cursor !== null) return;
    const listed = new Set(shown.map(({ id }) => id));
    const reach = cursor === null ? -Infinity : position(shown.at(-1)!);
    const others = this.items
      .filter((entry) => position(entry) >= reach && !listed.has(entry.id))
      .flatMap((entry) => missing(entry) ?? []);
    this.#set([...shown, ...others].sort((a, b) => position(b) - position(a)), cursor);
  }

  #set(items: readonly T[], cursor: string | null): void {
    this.items = items;
    this.#cursor = cursor;
  }

  /** Runs one thing after another: each begins with what the last has left. */
  #next(work: () => Promise<void>): Promise<void> {
    this.#running += 1;
    this.#options.onChange();
    this.#queue = this.#queue
      .then(work)
      .then(() => (this.error = null))
      .catch((error: unknown) => (this.error = error))
      .then(() => {
        this.#running -= 1;
        this.#options.onChange();
      });
    return this.#queue;
  }
}
