/** How the harness looks into a queue from outside, in the same way for every system: lengths while it runs, contents after it. */

export interface QueueLengths {
  /** Not taken yet. */
  waiting: number;
  /** Taken and not ended. */
  inFlight: number;
  /** Due later. */
  scheduled: number;
}

export interface QueueView {
  /** Cheap enough to be asked every few milliseconds. All figures are of one instant. */
  lengths(): Promise<QueueLengths>;
  /**
   * The values of all tasks that ended well, by whatever this system keeps; undefined where it keeps none.
   * @throws CheckFailed where something has no expiry that should have one, or ended otherwise.
   */
  values(): Promise<number[] | undefined>;
  /** How many tasks ended well. */
  endedCount(): Promise<number>;
  close(): Promise<void>;
}

/** A run whose outcome is wrong is an error, never a figure. */
export class CheckFailed extends Error {}

/** After a drain of the tasks 0 to n-1: each ended once, with its own number as its value, and nothing is left. */
export async function checkDrained(view: QueueView, n: number): Promise<void> {
  await checkEnded(view, n);
  const values = await view.values();
  if (values === undefined) return;
  if (values.length !== n) throw new CheckFailed(`${values.length} results are stored of ${n}`);
  const seen = new Uint8Array(n);
  for (const value of values) {
    if (!(value >= 0 && value < n) || seen[value] === 1)
      throw new CheckFailed(`the value ${value} is stored twice, or is none of these tasks'`);
    seen[value] = 1;
  }
}

/** Nothing is left, and so many have ended well, whatever their values are. */
export async function checkEnded(view: QueueView, n: number): Promise<void> {
  const left = await view.lengths();
  if (left.waiting + left.inFlight + left.scheduled > 0)
    throw new CheckFailed(`${left.waiting} tasks are left waiting, ${left.inFlight} in flight, ${left.scheduled} scheduled`);
  const ended = await view.endedCount();
  if (ended !== n) throw new CheckFailed(`${ended} tasks ended of ${n}`);
}
