import { TimeoutError } from './errors.js';

/** The longest time that `setTimeout` can wait; it takes a longer one for none at all. */
const LONGEST = 2 ** 31 - 1;

/**
 * Runs `work` with a signal that fires when `timeout` milliseconds are over or the caller's own signal fires, and does
 * not wait for work that ignores it.
 *
 * @throws {@link TimeoutError}, or the reason of the caller's signal.
 */
export async function within<T>(
  timeout: number,
  caller: AbortSignal | null | undefined,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  caller?.throwIfAborted();
  // Not AbortSignal.any: browsers that are still in use lack it.
  const controller = new AbortController();
  const { signal } = controller;
  const abort = () => controller.abort(caller?.reason);
  caller?.addEventListener('abort', abort);
  const timer = timeout <= LONGEST ? setTimeout(() => controller.abort(new TimeoutError(timeout)), timeout) : undefined;
  try {
    return await new Promise<T>((resolve, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason));
      work(signal).then(resolve, reject);
    });
  } finally {
    clearTimeout(timer);
    caller?.removeEventListener('abort', abort);
  }
}
