import { type Answer, result } from './answer.js';
import { within } from './deadline.js';
import { NetworkError } from './errors.js';
import type { Shape } from './json.js';
import { Bearer, type TokenSource } from './token.js';

/** The options of every method. */
export interface CallOptions {
  /** When it fires, the call ends. The promise rejects with the signal's reason. */
  signal?: AbortSignal | null | undefined;
  /** The time for this call in milliseconds. It replaces the client's. */
  timeout?: number | undefined;
}

/** One request of the REST contract, and the shape of its answer. */
export interface Call<T> {
  method: 'GET' | 'POST' | 'DELETE';
  /** The path below the base URL. It is encoded and has no leading slash. */
  path: string;
  query?: URLSearchParams;
  /** The client sends it as JSON. */
  body?: unknown;
  idempotencyKey?: string | undefined;
  shape: Shape<T>;
}

/** Sends requests with a token and a timeout, and reads the answers. */
export class Http {
  readonly #base: string;
  readonly #bearer: Bearer;
  readonly #timeout: number;

  constructor(baseUrl: string | URL, token: TokenSource, timeout: number) {
    // In a browser the base may be relative to the page. Node has no `location`.
    const base = new URL(baseUrl, globalThis.location?.href);
    // `new URL` accepts `localhost:8080`. It takes `localhost` for the scheme.
    if (!/^https?:$/.test(base.protocol)) throw new TypeError('baseUrl must begin with http:// or https://');
    this.#base = base.origin + base.pathname.replace(/\/+$/, '');
    this.#bearer = new Bearer(token);
    this.#timeout = timeout;
  }

  /** Returns the body of the answer. The timeout covers everything, the token function too. */
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
