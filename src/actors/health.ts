/**
 * Whether a consumer lives and whether it can work, as an orchestrator asks for it:
 *  - live: its loop and its actors (heartbeat, scheduler, periodic) have answered lately. Where they have not, only a new
 *    process helps.
 *  - ready: it takes tasks, too. It is not while it starts or stops, or while the storage is away; that passes, and to
 *    start it anew would only cost time.
 */
import { COMMAND_TIMEOUT_MS, SECOND_MS } from '../runtime/limits.js';
import type { Storage } from '../runtime/storage.js';
import { within } from './within.js';

/** Less than the second that a probe of Kubernetes waits by default. */
const ASK_MS = 700;
/** An actor that was busy for a moment is not dead. */
const LATELY_MS = 10 * SECOND_MS;
/** However many ask. */
const CACHE_MS = SECOND_MS;
/** A round of the heartbeat is up to this many calls of the storage, each of which may take its whole time. */
const CALLS_PER_BEAT = 6;

export type ConsumerState = 'new' | 'starting' | 'running' | 'stopping' | 'stopped' | 'faulted';

export interface Verdict {
  ok: boolean;
  /** Why not, for people; empty where it is. */
  reasons: string[];
}

export interface Health {
  state: ConsumerState;
  live: Verdict;
  ready: Verdict;
}

/** What is looked at. */
export interface HealthView {
  state: ConsumerState;
  /** Why it could not start or go on. */
  failure: Error | undefined;
  hasModule: boolean;
  storage: Pick<Storage, 'open' | 'address'> | undefined;
  /** undefined between two lives. */
  pulse: Pulse | undefined;
  actors: readonly WatchedActor[];
}

export interface WatchedActor {
  readonly name: string;
  /** Monotonic time of its last answer, or of its first start. */
  readonly answeredAt: number;
  /** Whether it answers in time. Never rejects. */
  answers(withinMs: number): Promise<boolean>;
}

export class HealthMonitor {
  readonly #view: () => HealthView;
  #last: { at: number; health: Promise<Health> } | undefined;

  constructor(view: () => HealthView) {
    this.#view = view;
  }

  /** Never rejects; answers within ASK_MS, and is at most CACHE_MS old. */
  look(): Promise<Health> {
    const now = performance.now();
    const { state } = this.#view();
    const isFresh = this.#last !== undefined && now - this.#last.at < CACHE_MS;
    if (!isFresh) this.#last = { at: now, health: this.#examine() };
    const health = this.#last?.health ?? this.#examine();
    // What stops or has failed says so at once.
    return health.then((known) => (known.state === state ? known : this.#examine()));
  }

  async #examine(): Promise<Health> {
    const { state, failure, hasModule, storage, pulse, actors } = this.#view();
    const [silent, away] = await Promise.all([silentOf(actors), state === 'running' && storage ? whyAway(storage) : undefined]);
    const dead = [...silent, ...(pulse?.isStuck === true ? ['the heartbeat has not come round'] : [])];
    if (state === 'faulted' || state === 'stopped' || (state === 'running' && failure !== undefined)) {
      dead.unshift(failure === undefined ? 'it has stopped' : `it cannot go on: ${failure.message}`);
    }
    const waits: string[] = [];
    if (state === 'new') waits.push('it was not started');
    if (state === 'starting') waits.push(hasModule ? 'starting: it waits for the storage' : 'starting: the module is loading');
    if (state === 'stopping') waits.push('stopping');
    if (state === 'running' && pulse === undefined) waits.push('it begins a new life after it was taken for dead');
    const trouble = pulse?.trouble;
    if (away !== undefined) waits.push(away);
    else if (trouble !== undefined) waits.push(`the storage does not take the heartbeat: ${trouble.message}`);
    return { state, live: verdict(dead), ready: verdict([...dead, ...waits]) };
  }
}

/** When the heartbeat last came round, and what it met. */
export class Pulse {
  readonly #everyMs: number;
  readonly #now: () => number;
  #cameAt: number;
  #trouble: Error | undefined;

  /** `now` is monotonic. */
  constructor(everyMs: number, now: () => number = () => performance.now()) {
    this.#everyMs = everyMs;
    this.#now = now;
    this.#cameAt = now();
  }

  /** It could not beat; undefined: it could. */
  came(trouble: Error | undefined): void {
    this.#cameAt = this.#now();
    this.#trouble = trouble;
  }

  get trouble(): Error | undefined {
    return this.#trouble;
  }

  get isStuck(): boolean {
    return this.#now() - this.#cameAt > this.#everyMs + CALLS_PER_BEAT * COMMAND_TIMEOUT_MS;
  }
}

/** Of several consumers: each has to be well. */
export function combine(healths: readonly { name: string; health: Health }[], state: ConsumerState): Health {
  const join = (which: 'live' | 'ready'): Verdict =>
    verdict(healths.flatMap(({ name, health }) => health[which].reasons.map((reason) => `${name}: ${reason}`)));
  return { state, live: join('live'), ready: join('ready') };
}

export function verdict(reasons: string[]): Verdict {
  return { ok: reasons.length === 0, reasons };
}

async function silentOf(actors: readonly WatchedActor[]): Promise<string[]> {
  const reasons = await Promise.all(
    actors.map(async (actor) => {
      if (await actor.answers(ASK_MS)) return undefined;
      const silentMs = performance.now() - actor.answeredAt;
      return silentMs < LATELY_MS ? undefined : `the ${actor.name} actor has not answered for ${Math.round(silentMs / SECOND_MS)} s`;
    }),
  );
  return reasons.filter((reason) => reason !== undefined);
}

async function whyAway(storage: Pick<Storage, 'open' | 'address'>): Promise<string | undefined> {
  try {
    if (await within(storage.open(), ASK_MS)) return undefined;
    return `the storage ${storage.address} does not answer`;
  } catch (error) {
    return `the storage ${storage.address} is not reachable: ${(error as Error).message}`;
  }
}
