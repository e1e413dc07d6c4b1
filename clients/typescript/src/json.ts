/** JSON from outside: it may be anything, or no JSON at all. */

/** Says whether a value has the type that was asked for. */
export type Shape<T> = (value: unknown) => value is T;

/** The value of a text in JSON. It is undefined if the text is not JSON. */
export function parse(source: string): unknown {
  try {
    return JSON.parse(source);
  } catch {
    return undefined;
  }
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
