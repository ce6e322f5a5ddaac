/**
 * Keeps the process alive while somebody waits for an answer, and only then: connections of an idle producer hold
 * nothing, so a script that has enqueued its tasks ends by itself.
 */

/** The longest that a timer can be; it does nothing when it fires. */
const LONG_MS = 2 ** 31 - 1;

let waiting = 0;
let timer: NodeJS.Timeout | undefined;

/** Until `work` has settled. Gives `work` back. */
export function keepAlive<T>(work: Promise<T>): Promise<T> {
  if (waiting++ === 0) timer = (timer ?? setInterval(() => undefined, LONG_MS)).ref();
  work.then(release, release);
  return work;
}

function release(): void {
  if (--waiting === 0) timer?.unref();
}
