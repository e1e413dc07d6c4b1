import { type Answer, result } from './answer.js';
import { within } from './deadline.js';
import { InvalidResponseError, NetworkError, TimeoutError } from './errors.js';
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
  /** Whether the client keeps the answer. Then the server sends it again only if it has changed. */
  kept?: boolean;
  shape: Shape<T>;
}

/** A request that the server answers for as long as it likes. */
export interface StreamCall {
  path: string;
  /** The content type of the answer. */
  type: string;
  /** Milliseconds until the first piece has to come, and until each further one. */
  timeout: number;
  idleTimeout: number;
  /** Gets every piece of the body. */
  read: (bytes: Uint8Array) => void;
}

/** Sends requests with a token and a timeout, and reads the answers. */
export class Http {
  readonly #base: string;
  readonly #bearer: Bearer;
  readonly #timeout: number;
  /** The last answers to calls with `kept`, by path. */
  readonly #kept = new Map<string, Answer>();

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

  /**
   * Reads a stream to its end.
   *
   * @throws {@link TimeoutError} if a piece does not come in time, and otherwise as `request`.
   */
  async stream(call: StreamCall, caller: AbortSignal | null | undefined): Promise<void> {
    // Each piece gets its own time, so the deadline of a call does not fit.
    const controller = new AbortController();
    const { signal } = controller;
    const abort = () => controller.abort(caller?.reason);
    if (caller?.aborted) abort();
    caller?.addEventListener('abort', abort);
    let timer: ReturnType<typeof setTimeout> | undefined;
    const within = (timeout: number) => {
      clearTimeout(timer);
      timer = setTimeout(() => controller.abort(new TimeoutError(timeout)), timeout);
    };
    const broken = (cause: unknown): never => {
      signal.throwIfAborted();
      throw new NetworkError(`GET ${this.#base}/${call.path}: the stream broke off`, { cause });
    };
    try {
      within(call.timeout);
      const open = (token: string) => this.#open(call, token, signal).catch(broken);
      const response = await this.#withToken(open, signal);
      const { body, headers, status } = response;
      if (status !== 200) result({ status, headers, text: await response.text() }, (_): _ is never => false);
      if (!body || !headers.get('content-type')?.startsWith(call.type)) {
        throw new InvalidResponseError(status, headers.get('x-request-id'));
      }
      const reader = body.getReader();
      const next = () => reader.read().catch(broken);
      for (let piece = await next(); !piece.done; piece = await next()) {
        within(call.idleTimeout);
        call.read(piece.value);
      }
      signal.throwIfAborted();
    } finally {
      clearTimeout(timer);
      caller?.removeEventListener('abort', abort);
      controller.abort();
    }
  }

  /** Returns who is calling: the claims of the token that stay when it is renewed. Null if it has no such claims. */
  async identity(): Promise<string | null> {
    const [, payload = ''] = (await this.#bearer.current()).split('.');
    try {
      const bytes = Uint8Array.from(atob(payload.replace(/-/g, '+').replace(/_/g, '/')), (c) => c.charCodeAt(0));
      const { exp, iat, nbf, jti, ...claims } = JSON.parse(new TextDecoder().decode(bytes)) as Record<string, unknown>;
      return claims['sub'] ? JSON.stringify([this.#base, claims]) : null;
    } catch {
      return null;
    }
  }

  async #authorized(call: Call<unknown>, signal: AbortSignal): Promise<Answer> {
    return await this.#withToken((token) => this.#send(call, token, signal), signal);
  }

  /** Sends something with the token, and once more with a new one if the server refuses the first. */
  async #withToken<T extends { status: number }>(send: (token: string) => Promise<T>, signal: AbortSignal): Promise<T> {
    const token = await this.#bearer.current();
    const answer = await send(token);
    if (answer.status !== 401) return answer;
    const renewed = await this.#bearer.after(token, signal);
    return renewed === null ? answer : send(renewed);
  }

  async #open({ path, type }: StreamCall, token: string, signal: AbortSignal): Promise<Response> {
    const headers = { accept: type, authorization: `Bearer ${token}` };
    return await fetch(`${this.#base}/${path}`, { headers, signal, cache: 'no-store' });
  }

  async #send(call: Call<unknown>, token: string, signal: AbortSignal): Promise<Answer> {
    signal.throwIfAborted();
    const query = call.query?.toString();
    const url = `${this.#base}/${call.path}${query ? `?${query}` : ''}`;
    const headers = this.#headers(call, token);
    const body = call.body === undefined ? null : JSON.stringify(call.body);
    try {
      const response = await fetch(url, { method: call.method, headers, body, signal, cache: 'no-store' });
      return this.#keep(call, { status: response.status, headers: response.headers, text: await response.text() });
    } catch (cause) {
      signal.throwIfAborted();
      throw new NetworkError(`${call.method} ${this.#base}/${call.path}: no complete answer`, { cause });
    }
  }

  /** Returns the answer, or the kept one if the server says that it is still the same. */
  #keep(call: Call<unknown>, answer: Answer): Answer {
    if (!call.kept) return answer;
    const same = answer.status === 304 ? this.#kept.get(call.path) : undefined;
    if (answer.status === 200) this.#kept.set(call.path, answer);
    return same ?? answer;
  }

  #headers(call: Call<unknown>, token: string): Headers {
    const headers = new Headers({ accept: 'application/json', authorization: `Bearer ${token}` });
    if (call.body !== undefined) headers.set('content-type', 'application/json');
    if (call.idempotencyKey !== undefined) headers.set('idempotency-key', call.idempotencyKey);
    const tag = call.kept && this.#kept.get(call.path)?.headers.get('etag');
    if (tag) headers.set('if-none-match', tag);
    return headers;
  }
}
