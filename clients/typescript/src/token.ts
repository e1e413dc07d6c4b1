/**
 * A bearer token, or a function that returns one.
 *
 * The function is called before every call, so it should keep its token while that is good. With `renew` true it is
 * called once more because the server has refused the token it gave (401), and should fetch a new one.
 */
export type TokenSource = string | ((renew: boolean) => string | Promise<string>);

/** The bearer token of the calls of one client. */
export class Bearer {
  readonly #source: TokenSource;
  #renewing: Promise<string> | null = null;

  constructor(source: TokenSource) {
    this.#source = source;
  }

  /** The token to begin a call with. */
  async current(): Promise<string> {
    return printable(typeof this.#source === 'string' ? this.#source : await this.#source(false));
  }

  /**
   * Another token than `refused`, or null if there is none. Calls that are refused together share one renewal, until it
   * ends or the `signal` of one of them fires: it may never end, so calls that are refused later begin another.
   */
  async after(refused: string, signal: AbortSignal): Promise<string | null> {
    if (typeof this.#source === 'string') return null;
    const renewing = (this.#renewing ??= this.#renew(this.#source));
    const forget = () => {
      if (this.#renewing === renewing) this.#renewing = null;
    };
    signal.addEventListener('abort', forget);
    const renewed = await renewing.finally(forget);
    return renewed === refused ? null : renewed;
  }

  async #renew(source: (renew: boolean) => string | Promise<string>): Promise<string> {
    return printable(await source(true));
  }
}

// `fetch` would quote the token in its complaint, and errors are logged.
function printable(token: string): string {
  const trimmed = typeof token === 'string' ? token.trim() : '';
  if (!/^[\x21-\x7e]+$/.test(trimmed)) throw new TypeError('the token must be text in printable ASCII, without spaces');
  return trimmed;
}
