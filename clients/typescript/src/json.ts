/** JSON that comes from outside. It may hold anything. */

/** Checks whether a value has the type T. */
export type Shape<T> = (value: unknown) => value is T;

/** Returns the value that a JSON text holds. Returns undefined if the text is not JSON. */
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
