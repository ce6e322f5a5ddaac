/**
 * Tasks with a limit of their own (`concurrency`): at most so many runs of one at once in this consumer. Duties:
 *  1. keep leased ones out of ordinary chunks; each travels alone in a lane, so that its end is the end of the lane's chunk;
 *  2. keep a few waiting for the next run to end, and not for long: another consumer may have room for them;
 *  3. send the others away until about their turn, estimated from how long runs take: a long queue of them stands in
 *     nobody's way, and each of them is looked at again a few times and not all the time.
 */
import { MINUTE_MS, SECOND_MS } from '../runtime/limits.js';
import { decodeHead, idOf, SEPARATOR } from '../runtime/message.js';
import type { Chunk } from '../runtime/storage.js';
import type { Place } from './place.js';

/** As many may wait here as run, up to this. */
const WAITING_MAX = 16;
const WAIT_MS = 10 * SECOND_MS;
/** What has waited in vain is away for so long: time enough for another consumer to take it. */
const AWAY_MS = SECOND_MS;
const POSTPONE_MIN_MS = 100;
/** The longest, whatever the estimate is: consumers come and go. */
const POSTPONE_MAX_MS = 5 * MINUTE_MS;
/** Nobody knows how long a first run takes. Too early costs another look, too late a place that stands empty. */
const FIRST_GUESS_MS = 10;

interface Limit {
  most: number;
  waiting: { text: string; since: number }[];
  /** How long runs of it take, the last ones counting most. */
  runMs: number;
  /** When the turn of what was sent away last is expected. */
  lastTurnAt: number;
  /** Sent away for longer than the estimate reaches; only spreads them. */
  far: number;
}

export class TaskLimits {
  readonly #limits = new Map<string, Limit>();
  readonly #postpone: (text: string, delayMs: number) => void;
  #timer: NodeJS.Timeout | undefined;

  /** `postpone` is called with what shall wait in the storage instead. */
  constructor(limits: ReadonlyMap<string, number>, postpone: (text: string, delayMs: number) => void) {
    this.#postpone = postpone;
    this.adopt(limits);
  }

  /** Other limits from now on. Gives what waited, to be looked at again. */
  adopt(limits: ReadonlyMap<string, number>): string[] {
    const waiting = this.drawAll();
    this.#limits.clear();
    for (const [name, most] of limits) this.#limits.set(name, { most, waiting: [], runMs: FIRST_GUESS_MS, lastTurnAt: 0, far: 0 });
    return waiting;
  }

  /** False: nothing here ever does anything. */
  get any(): boolean {
    return this.#limits.size > 0;
  }

  /** How many wait here. */
  get waiting(): number {
    let sum = 0;
    for (const { waiting } of this.#limits.values()) sum += waiting.length;
    return sum;
  }

  get texts(): string[] {
    return [...this.#limits.values()].flatMap(({ waiting }) => waiting.map(({ text }) => text));
  }

  /** The same for a chunk. */
  without(chunk: Chunk, places: Iterable<Place>): Chunk {
    if (!this.any) return chunk;
    const rest = this.keep(chunk.text.split(SEPARATOR), places);
    return rest.length === chunk.count ? chunk : { text: rest.join(SEPARATOR), count: rest.length };
  }

  /** Keeps what has a limit; gives the rest. */
  keep(texts: readonly string[], places: Iterable<Place>): string[] {
    const now = performance.now();
    const rest: string[] = [];
    for (const text of texts) {
      const task = nameOf(text);
      const limit = this.#limits.get(task);
      if (limit === undefined) rest.push(text);
      else if (limit.waiting.length < Math.min(WAITING_MAX, limit.most)) limit.waiting.push({ text, since: now });
      else this.#postpone(text, untilTurn(limit, longestRun(task, places, now), now));
    }
    if (rest.length < texts.length) this.#watch();
    return rest;
  }

  /** The next one that may run, with its task. It is this caller's from now on. */
  next(places: Iterable<Place>): { text: string; task: string } | undefined {
    for (const [task, limit] of this.#limits) {
      if (runsOf(task, places) >= limit.most) continue;
      // It was expected to take longer: who is sent away next is told so by what there is then.
      if (limit.waiting.length === 0) limit.lastTurnAt = 0;
      const [first] = limit.waiting.splice(0, 1);
      if (first) return { text: first.text, task };
    }
    return undefined;
  }

  /** Whether a run of this message may begin. */
  allows(text: string, places: Iterable<Place>): boolean {
    if (!this.any) return true;
    const task = nameOf(text);
    const limit = this.#limits.get(task);
    return limit === undefined || runsOf(task, places) < limit.most;
  }

  /** The task of a message, where it has a limit. */
  taskOf(text: string): string | undefined {
    if (!this.any) return undefined;
    const task = nameOf(text);
    return this.#limits.has(task) ? task : undefined;
  }

  /** A run took so long. */
  note(task: string, ms: number): void {
    const limit = this.#limits.get(task);
    if (limit) limit.runMs += (ms - limit.runMs) / 4;
  }

  /** The one of this id; undefined where it does not wait here. */
  remove(id: string): string | undefined {
    for (const { waiting } of this.#limits.values()) {
      const at = waiting.findIndex(({ text }) => idOf(text) === id);
      if (at >= 0) return waiting.splice(at, 1)[0]?.text;
    }
    return undefined;
  }

  drawAll(): string[] {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const { texts } = this;
    for (const limit of this.#limits.values()) limit.waiting = [];
    return texts;
  }

  #watch(): void {
    if (this.waiting === 0) return;
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#sendOldAway(performance.now());
      this.#watch();
    }, WAIT_MS / 10);
  }

  #sendOldAway(now: number): void {
    for (const limit of this.#limits.values()) {
      const old = limit.waiting.filter(({ since }) => since <= now - WAIT_MS);
      limit.waiting = limit.waiting.filter(({ since }) => since > now - WAIT_MS);
      for (const { text } of old) this.#postpone(text, AWAY_MS);
    }
  }
}

/** Half of what the runs before it should take. Estimates that are too long are the worse ones. */
function untilTurn(limit: Limit, longestMs: number, now: number): number {
  limit.lastTurnAt = Math.max(limit.lastTurnAt, now + POSTPONE_MIN_MS) + Math.max(limit.runMs, longestMs) / limit.most / 2;
  const delayMs = limit.lastTurnAt - now;
  if (delayMs <= POSTPONE_MAX_MS) return delayMs;
  // Beyond that nobody knows: they come back over half of that time, spread evenly (steps of the golden ratio), not all at once.
  limit.lastTurnAt = now + POSTPONE_MAX_MS;
  limit.far = (limit.far + 0.618) % 1;
  return POSTPONE_MAX_MS * (1 - limit.far / 2);
}

/** What runs of it have taken so far, at most. */
function longestRun(task: string, places: Iterable<Place>, now: number): number {
  let ms = 0;
  for (const place of places)
    for (const lane of place.lanes) if (lane.busy && lane.limited === task) ms = Math.max(ms, now - lane.postedAt);
  return ms;
}

function runsOf(task: string, places: Iterable<Place>): number {
  let runs = 0;
  for (const place of places) {
    for (const lane of place.lanes) if (lane.busy && lane.limited === task && lane.outstanding() > 0) runs += 1;
  }
  return runs;
}

function nameOf(text: string): string {
  try {
    return decodeHead(text).name;
  } catch {
    // No message, and no task with a limit: who runs it puts it aside.
    return '';
  }
}
