import { type Answer, result } from './answer.js';
import { within } from './deadline.js';
import { NetworkError } from './errors.js';
import type { Shape } from './json.js';
import { Bearer, type TokenSource } from './token.js';

/** What every method takes. */
export interface CallOptions {
  /** Ends the call when it fires: the promise is rejected with the signal's reason. */
  signal?: AbortSignal | null | undefined;
  /** Milliseconds for this call, instead of the client's. */
  timeout?: number | undefined;
}

/** One request of the REST contract, and what answers it. */
export interface Call<T> {
  method: 'GET' | 'POST' | 'DELETE';
  /** Below the base URL, without a leading slash, encoded. */
  path: string;
  query?: URLSearchParams;
  /** Sent as JSON. */
  body?: unknown;
  idempotencyKey?: string | undefined;
  shape: Shape<T>;
}

/** Sends requests with a token and within a time, and reads the answers. */
export class Http {
  readonly #base: string;
  readonly #bearer: Bearer;
  readonly #timeout: number;

  constructor(baseUrl: string | URL, token: TokenSource, timeout: number) {
    // In a browser the base may be relative to the page; Node has no `location`.
    const base = new URL(baseUrl, globalThis.location?.href);
    // `localhost:8080` is a URL too, of the scheme `localhost`.
    if (!/^https?:$/.test(base.protocol)) throw new TypeError('baseUrl must begin with http:// or https://');
    this.#base = base.origin + base.pathname.replace(/\/+$/, '');
    this.#bearer = new Bearer(token);
    this.#timeout = timeout;
  }

  /** The body of the answer. Everything counts against the timeout, fetching the token included. */
  async request<T>(call: Call<T>, { signal, timeout = this.#timeout }: CallOptions): Promise<T> {
    return result(await within(timeout, signal, (either) => this.#authorized(call, either)), call.shape);
  }

  async #authorized(call: Call<unknown>, signal: AbortSignal): Promise<Answer> {
    const token = await this.#bearer.current();
    const answer = await this.#send(call, token, signal);
    if (answer.status !== 401) return answer;
    const renewed = await this.#bearer.after(token, signal);
    return renewed === null ? answer : this.#send(call, renewed, signal);
  }

  async #send(call: Call<unknown>, token: string, signal: AbortSignal): Promise<Answer> {
    signal.throwIfAborted();
    const query = call.query?.toString();
    const url = `${this.#base}/${call.path}${query ? `?${query}` : ''}`;
    const headers = this.#headers(call, token);
    const body = call.body === undefined ? null : JSON.stringify(call.body);
    try {
      const response = await fetch(url, { method: call.method, headers, body, signal, cache: 'no-store' });
      return { status: response.status, headers: response.headers, text: await response.text() };
    } catch (cause) {
      signal.throwIfAborted();
      throw new NetworkError(`${call.method} ${this.#base}/${call.path}: no complete answer`, { cause });
    }
  }

  #headers(call: Call<unknown>, token: string): Headers {
    const headers = new Headers({ accept: 'application/json', authorization: `Bearer ${token}` });
    if (call.body !== undefined) headers.set('content-type', 'application/json');
    if (call.idempotencyKey !== undefined) headers.set('idempotency-key', call.idempotencyKey);
    return headers;
  }
}
