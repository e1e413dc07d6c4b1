/** One event of a stream (https://html.spec.whatwg.org/multipage/server-sent-events.html). */
export interface SseEvent {
  name: string;
  data: string;
}

/** Reads the text of an event stream, in pieces of any size. */
export class SseReader {
  /** What the server has said with `retry:`, in milliseconds. */
  retry: number | null = null;
  readonly #decoder = new TextDecoder();
  readonly #emit: (event: SseEvent) => void;
  #rest = '';
  #name = '';
  #data: string[] = [];

  constructor(emit: (event: SseEvent) => void) {
    this.#emit = emit;
  }

  read(bytes: Uint8Array): void {
    this.#rest += this.#decoder.decode(bytes, { stream: true });
    // A carriage return at the end may be the first half of a line's end.
    const lines = this.#rest.split(/\r\n|\n|\r(?!$)/);
    this.#rest = lines.pop() ?? '';
    for (const line of lines) this.#line(line);
  }

  #line(line: string): void {
    if (line === '') return this.#end();
    const [, field, value = ''] = /^([^:]*)(?:: ?(.*))?$/s.exec(line) ?? [];
    if (field === 'event') this.#name = value;
    if (field === 'data') this.#data.push(value);
    if (field === 'retry' && /^\d+$/.test(value)) this.retry = Number(value);
  }

  #end(): void {
    if (this.#data.length) this.#emit({ name: this.#name || 'message', data: this.#data.join('\n') });
    this.#name = '';
    this.#data = [];
  }
}
