/**
 * What the threads of a consumer write, on its way out. Duties:
 *  1. print each line in the order in which its thread wrote it;
 *  2. tell the threads how much was printed, so that they never have more under way than is bearable (output-budget.ts);
 *  3. take no more than a third of the loop for it, however much they write;
 *  4. say how many lines a thread had to drop.
 */
import { costOf, OUTPUT_MAX_COST, OutputBudget } from './output-budget.js';
import type { LineWriter, TaskLine } from './task-lines.js';

const GIVE_INTERVAL_MS = 5;
/** Rest of the loop for each ms that went into printing. */
const REST_FACTOR = 2;

/** The lines of one thread. */
export interface ThreadOutput {
  /** Shared with the thread. */
  readonly budget: SharedArrayBuffer;
  line(line: TaskLine): void;
  /** The thread is gone. */
  end(): void;
}

interface Thread {
  readonly budget: OutputBudget;
  /** Printed, and not given back yet. */
  printed: number;
  /** What it wrote last. */
  last: TaskLine | undefined;
}

export class TaskOutput {
  readonly #write: LineWriter;
  /** Who waits for room, or soon will. */
  readonly #owed = new Set<Thread>();
  #timer: NodeJS.Timeout | undefined;
  #roundAt = 0;
  #busyMs = 0;
  /** Lines that are not written yet. */
  #late = 0;

  constructor(write: LineWriter) {
    this.#write = write;
  }

  /** For a new thread. */
  open(): ThreadOutput {
    const thread: Thread = { budget: new OutputBudget(), printed: 0, last: undefined };
    return {
      budget: thread.budget.buffer,
      line: (line) => this.#print(thread, line),
      end: () => {
        this.#owed.delete(thread);
        this.#tellDropped(thread);
      },
    };
  }

  #print(thread: Thread, line: TaskLine): void {
    const startedAt = performance.now();
    if (this.#timer === undefined) {
      this.#roundAt = startedAt;
      this.#busyMs = 0;
      this.#wait(GIVE_INTERVAL_MS);
    }
    this.#put(line);
    this.#busyMs += performance.now() - startedAt;
    thread.printed += Math.min(OUTPUT_MAX_COST, costOf(line.text));
    thread.last = line;
    this.#owed.add(thread);
  }

  #put(line: TaskLine): void {
    const written = this.#write(line);
    if (written === undefined) return;
    this.#late += 1;
    // A line that cannot be written is lost; that must not stop those behind it.
    void written
      .catch(() => undefined)
      .then(() => {
        this.#late -= 1;
        if (this.#late === 0 && this.#timer === undefined) this.#giveBack();
      });
  }

  #wait(ms: number): void {
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      const restMs = performance.now() - this.#roundAt - this.#busyMs;
      const owedMs = REST_FACTOR * this.#busyMs - restMs;
      if (owedMs >= 1) this.#wait(owedMs);
      else if (this.#late === 0) this.#giveBack();
    }, ms).unref();
  }

  #giveBack(): void {
    for (const thread of this.#owed) {
      this.#tellDropped(thread);
      thread.budget.give(thread.printed);
      thread.printed = 0;
    }
    this.#owed.clear();
  }

  #tellDropped({ budget, last }: Thread): void {
    const dropped = budget.takeDropped();
    if (dropped === 0) return;
    const text = `... ${dropped} ${dropped === 1 ? 'line' : 'lines'} dropped: they came faster than they could be written`;
    this.#put({ ...last, level: 'warn', text });
  }
}
