/**
 * A bearer token, or a function that returns one.
 *
 * The client asks the function at the start of every call. So the function should keep its token while it is valid.
 * `renew` is true if the server has refused the last token (401). Then the function should fetch a new one.
 */
export type TokenSource = string | ((renew: boolean) => string | Promise<string>);

/** The bearer token of one client. */
export class Bearer {
  readonly #source: TokenSource;
  #renewing: Promise<string> | null = null;

  constructor(source: TokenSource) {
    this.#source = source;
  }

  /** Returns the token for a new call. */
  async current(): Promise<string> {
    return printable(typeof this.#source === 'string' ? this.#source : await this.#source(false));
  }

  /**
   * Returns another token than `refused`, or null if there is none. Calls share a renewal while it runs. But a renewal
   * may never end. So when the `signal` of one of these calls fires, the next call begins another renewal.
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

// `fetch` quotes a malformed token in its error, and applications log errors. So this check comes first.
function printable(token: string): string {
  const trimmed = typeof token === 'string' ? token.trim() : '';
  if (!/^[\x21-\x7e]+$/.test(trimmed)) throw new TypeError('the token must be text in printable ASCII, without spaces');
  return trimmed;
}
