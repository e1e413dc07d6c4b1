import { TimeoutError } from './errors.js';

/** `setTimeout` cannot wait longer. It treats a longer time as 1 ms. */
const LONGEST_TIMER = 2 ** 31 - 1;

/**
 * Runs `work` for at most `timeout` milliseconds. The caller's signal ends it earlier. `work` gets a signal that fires
 * in both cases. If `work` ignores that signal, the caller does not wait for it.
 *
 * @throws {@link TimeoutError} after `timeout` milliseconds.
 * @throws The reason of the caller's signal.
 */
export async function within<T>(
  timeout: number,
  caller: AbortSignal | null | undefined,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  caller?.throwIfAborted();
  // Some browsers in use have no AbortSignal.any.
  const controller = new AbortController();
  const { signal } = controller;
  const abort = () => controller.abort(caller?.reason);
  caller?.addEventListener('abort', abort);
  const late = () => controller.abort(new TimeoutError(timeout));
  const timer = timeout <= LONGEST_TIMER ? setTimeout(late, timeout) : undefined;
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
