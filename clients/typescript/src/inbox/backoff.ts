/** Milliseconds. */
const FIRST = 1_000;
const LONGEST = 30_000;

/** Returns how long to wait after so many failures: a random part of a time that doubles, so that clients spread. */
export function backoff(failures: number): number {
  return spread(Math.min(FIRST * 2 ** (failures - 1), LONGEST));
}

/** Returns the time, or up to half of it less. */
export function spread(milliseconds: number): number {
  return milliseconds * (1 - Math.random() / 2);
}
