/**
 * How many warm threads stand by beside those that work. A thread that is ended takes its place along, and another one
 * takes as long to start as its imports take, longer where everything calculates. So:
 *  1. where tasks can time out one stands by, always;
 *  2. where places were lost together, as many stand by as were lost within about one start of a thread: what
 *     happened once happens again, and each of them is started when the one before it is taken, not at the next loss;
 *  3. they cost memory. So the need is forgotten after KEEP_MS, and those that are too many go one by one.
 */

/** So long a wave of losses is remembered. */
const KEEP_MS = 60_000;
/** Losses within so long fall together, however quickly a thread starts. */
const WAVE_MIN_MS = 500;
/** The next ones may start slower than the last one did, since there will be more of them. */
const START_FACTOR = 2;
/** Between two that go. */
const SHED_MS = 5000;

export interface SparesOptions {
  /** Never more than this. */
  most: number;
  /** Called from time to time: lets one go if there are too many. */
  shed: () => void;
  /** Monotonic, in ms. */
  now?: () => number;
}

export class Spares {
  readonly #most: number;
  readonly #now: () => number;
  /** Where nothing was lost. */
  #least = 0;
  /** When the last ones were lost; as many as can matter. */
  readonly #lostAt: number[] = [];
  /** When so many were last lost together, by how many. */
  readonly #waveAt = new Map<number, number>();
  /** What the last start of a thread took. */
  #startMs = 0;
  readonly #timer: NodeJS.Timeout;

  constructor({ most, shed, now = () => performance.now() }: SparesOptions) {
    this.#most = most;
    this.#now = now;
    this.#timer = setInterval(shed, SHED_MS).unref();
  }

  /** How many shall stand by now. */
  get wanted(): number {
    const now = this.#now();
    let wanted = this.#least;
    for (const [together, at] of this.#waveAt) if (now - at < KEEP_MS) wanted = Math.max(wanted, together);
    return wanted;
  }

  /** Whether tasks can time out, by their options. */
  adopt(canTimeOut: boolean): void {
    this.#least = canTimeOut ? 1 : 0;
  }

  /** A thread has started, and has taken so long for it. */
  started(tookMs: number): void {
    this.#startMs = tookMs;
  }

  /** A place was lost in the midst of its work. */
  lost(): void {
    const now = this.#now();
    this.#lostAt.push(now);
    if (this.#lostAt.length > this.#most) this.#lostAt.shift();
    const waveMs = Math.max(WAVE_MIN_MS, START_FACTOR * this.#startMs);
    this.#waveAt.set(this.#lostAt.filter((at) => now - at < waveMs).length, now);
  }

  end(): void {
    clearInterval(this.#timer);
  }
}
