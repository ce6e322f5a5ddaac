/**
 * The threads of a consumer as a whole. Duties:
 *  1. keep as many places at work as there are workers, and warm spares beside them (spares.ts), so that the place of a
 *     thread that was ended is usable again at once;
 *  2. start another thread for every one that is gone, and stop trying where threads die before they are ready;
 *  3. reload: start threads of the next code beside those that work, and have them take over all at once when the last
 *     one has loaded the module; those of the code before finish what they run and leave.
 */
import type { MessagePort } from 'node:worker_threads';
import type { ErrorInfo, Outcome } from '../runtime/lifecycle.js';
import { HueyException } from '../runtime/errors.js';
import { Generation } from './generation.js';
import type { Lane } from './lane.js';
import { Place } from './place.js';
import { ThreadPool } from './pool.js';
import type { RunFigures } from '../runtime/run-accounts.js';
import type { FinishedRun, Manifest, PendingSignal } from './protocol.js';
import { Recycler, type RecycleLimits } from './recycler.js';
import { lineWriter, type OutputOption } from './task-lines.js';
import { TaskOutput } from './task-output.js';
import { Spares } from './spares.js';
import { threadImports } from './thread-imports.js';

/** Where no thread is left that works. */
const FALSE_STARTS_MAX = 5;
const FALSE_START_PAUSE_MS = 500;
const FALSE_START_PAUSE_MAX_MS = 10_000;

export interface CrewOptions {
  module: string;
  huey: string | undefined;
  workers: number;
  /** Tasks at once in each thread. */
  concurrency: number;
  /** When a thread is replaced. */
  recycle: RecycleLimits;
  /** Of each thread; undefined: as node has it. */
  maxMemoryMib: number | undefined;
  imports: readonly string[];
  /** Where what threads write with console goes; default 'tagged'. */
  output?: OutputOption;
  openStorage: (port: MessagePort) => void;
}

export interface CrewEvents {
  /** The first thread has loaded the module. */
  onManifest(manifest: Manifest): void;
  /** The module does not load, or threads die before they are ready. */
  onUnloadable(error: ErrorInfo): void;
  /** A thread that shall replace another does not load the module, told once; undefined: one has loaded it again. */
  onFalseStart(error: ErrorInfo | undefined): void;
  /** May be given work from now on. */
  onPlace(place: Place): void;
  onGone(place: Place, reason: string, expected: boolean): void;
  /** Gets no more work, and leaves when nothing runs in it: its code is that of before. */
  onLeaving(place: Place): void;
  /** It leaves because it has served enough; another has taken over. */
  onRecycled(place: Place, reason: string): void;
  onOutcome(lane: Lane, slot: number, outcome: Outcome, ran?: RunFigures): void;
  onFinished(lane: Lane, runs: readonly FinishedRun[]): void;
  onStarted(lane: Lane, slot: number): void;
  onCompletion(lane: Lane, bytes: Uint8Array): void;
  onChunkEnd(place: Place, lane: Lane): void;
  onStray(error: ErrorInfo): void;
}

export class Crew {
  readonly #options: CrewOptions;
  readonly #events: CrewEvents;
  readonly #pool: ThreadPool;
  readonly #recycler: Recycler;
  readonly #output: TaskOutput;
  readonly #all = new Set<Place>();
  readonly #working = new Set<Place>();
  /** Not counted among those that shall be there: of the next code while it loads, of the one before while it finishes. */
  readonly #aside = new Set<Place>();
  readonly #spares: Spares;
  #next: Generation | undefined;
  #started = 0;
  /** Attempts in a row to fill up that came to nothing. */
  #falseStarts = 0;
  #gaveUp = false;
  /** Nothing is started before its end. */
  #pause: NodeJS.Timeout | undefined;
  #manifest: Manifest | undefined;
  #opened = false;
  #ending = false;
  #whenGone: (() => void) | undefined;
  #ended: Promise<void> | undefined;

  constructor(options: CrewOptions, events: CrewEvents) {
    this.#options = options;
    this.#events = events;
    this.#output = new TaskOutput(lineWriter(options.output ?? 'tagged'));
    this.#recycler = new Recycler(options.recycle, () => {
      for (const place of this.#working) this.#recycler.look(place, performance.now());
      this.#recycleNext();
    });
    this.#spares = new Spares({ most: options.workers, shed: () => this.#shed() });
    this.#pool = new ThreadPool({
      execArgv: threadImports(options.imports, options.module).flatMap((one) => ['--import', one]),
      maxMemoryMib: options.maxMemoryMib,
      onError: (error) => events.onStray({ name: error.name, message: error.message, code: 'stray' }),
    });
    // The first one alone: what it finds in the module decides whether there will be others.
    this.#add();
  }

  /** The storage is there: from now on ready places are given work. */
  open(): void {
    this.#opened = true;
    this.#spares.adopt(canTimeOut(this.#manifest));
    this.#fill();
    this.#employ();
  }

  /**
   * Loads the module anew, in new threads. Resolves when they have taken over; what runs in the others may still go on.
   * Rejects where it does not load or `adopt` throws: then everything is as before. One at a time.
   * @param adopt is called in the same turn in which they take over, before any of them has work.
   */
  async reload(adopt: (manifest: Manifest) => void): Promise<Manifest> {
    const next = (this.#next = new Generation());
    let manifest: Manifest;
    try {
      // The first one alone, as at the start: one that does not load costs one thread.
      this.#addTo(next);
      await next.loaded();
      const most = this.#options.workers + this.#spares.wanted;
      while (next.places.size < most) this.#addTo(next);
      manifest = await next.loaded();
      adopt(manifest);
      this.#manifest = manifest;
    } catch (error) {
      this.#next = undefined;
      for (const place of next.places) place.kill();
      throw error;
    }
    this.#next = undefined;
    this.#handOver(next.places);
    return manifest;
  }

  /** In some thread that works. */
  tellSignals(list: PendingSignal[]): void {
    const [place] = this.#working;
    place?.tellSignals(list);
  }

  /** Ends every thread, whatever it does, and resolves when they are gone. Accounts come through `onGone`. Repeatable. */
  async endAll(how: 'quiet' | 'now'): Promise<void> {
    this.#ending = true;
    this.#recycler.end();
    this.#spares.end();
    clearTimeout(this.#pause);
    this.#next?.fail(new HueyException('the consumer stops, or starts anew, before the new code was loaded', 'stopped'));
    for (const place of this.#all) {
      if (how === 'quiet' && place.ready && place.idle) place.end();
      else place.kill();
    }
    this.#ended ??= this.#whenAllGone();
    await this.#ended;
  }

  async #whenAllGone(): Promise<void> {
    if (this.#all.size > 0) {
      await new Promise<void>((resolve) => {
        this.#whenGone = resolve;
      });
    }
    await this.#pool.destroy();
  }

  #fill(): void {
    while (!this.#ending && this.#pause === undefined && this.#all.size - this.#aside.size < this.#wanted) this.#add();
  }

  /** One that is being replaced is there beside its replacement, and so is one that will have to be ended. */
  get #wanted(): number {
    let deaf = 0;
    for (const place of this.#working) if (place.deaf) deaf += 1;
    return this.#options.workers + Math.max(this.#spares.wanted, deaf) + (this.#recycler.leaving === undefined ? 0 : 1);
  }

  #employ(): void {
    if (!this.#opened) return;
    for (const place of this.#all) {
      if (this.#working.size >= this.#options.workers) return;
      if (!place.ready || this.#working.has(place) || this.#aside.has(place)) continue;
      this.#working.add(place);
      this.#events.onPlace(place);
    }
  }

  /** One at a time: a spare that is not needed any more. */
  #shed(): void {
    if (this.#ending || this.#all.size - this.#aside.size <= this.#wanted) return;
    for (const place of this.#all) {
      if (!place.ready || this.#working.has(place) || this.#aside.has(place)) continue;
      place.retired = true;
      place.end();
      return;
    }
  }

  #addTo(next: Generation): void {
    const place = this.#add();
    next.add(place);
    this.#aside.add(place);
  }

  /** In one turn: no task is given to one code after the other has begun, and no place stands empty in between. */
  #handOver(fresh: ReadonlySet<Place>): void {
    const old = [...this.#all].filter((place) => !this.#aside.has(place));
    for (const place of old) {
      this.#aside.add(place);
      this.#working.delete(place);
      place.retired = true;
    }
    for (const place of fresh) this.#aside.delete(place);
    this.#spares.adopt(canTimeOut(this.#manifest));
    this.#startsAgain();
    this.#employ();
    for (const place of old) {
      this.#events.onLeaving(place);
      if (!place.wasReady) place.kill();
      else if (place.idle) place.end();
    }
    this.#fill();
  }

  #add(): Place {
    const { module, huey, concurrency: seats, openStorage } = this.#options;
    const events = this.#events;
    const place = new Place(
      ++this.#started,
      {
        pool: this.#pool,
        module,
        huey,
        seats,
        openStorage,
        tellHeap: this.#options.recycle.maxHeapMib !== undefined,
        output: this.#output,
      },
      {
        onReady: (one, manifest) => {
          this.#spares.started(one.readyAt - one.startedAt);
          if (this.#next?.has(one) === true) return this.#next.ready(one, manifest);
          this.#startsAgain();
          if (this.#manifest === undefined) {
            this.#manifest = manifest;
            events.onManifest(manifest);
          }
          this.#employ();
          this.#recycleNext();
        },
        onUnloadable: (one, error) => {
          one.unloadable = true;
          if (this.#aside.has(one)) return this.#next?.unloadable(error);
          this.#unloadable(error);
        },
        onOutcome: (_, lane, slot, outcome, ran) => events.onOutcome(lane, slot, outcome, ran),
        onFinished: (_, lane, runs) => events.onFinished(lane, runs),
        onStarted: (_, lane, slot) => events.onStarted(lane, slot),
        onCompletion: (_, lane, bytes) => events.onCompletion(lane, bytes),
        onChunkEnd: (one, lane) => {
          one.served += lane.count;
          events.onChunkEnd(one, lane);
          this.#recycler.look(one, performance.now());
          this.#recycleNext();
          if (one.retired && one.idle) one.end();
        },
        onStray: (_, error) => events.onStray(error),
        onDeaf: () => this.#fill(),
        onKilled: (one) => this.#replace(one),
        onGone: (one, reason) => this.#gone(one, reason),
      },
    );
    this.#all.add(place);
    return place;
  }

  #gone(place: Place, reason: string): void {
    this.#all.delete(place);
    this.#recycler.gone(place);
    const aside = this.#aside.delete(place);
    if (this.#next?.has(place) === true) this.#next.gone(place, reason);
    this.#events.onGone(place, reason, this.#ending || place.killed || place.retired || (aside && !place.retired));
    if (this.#ending) {
      if (this.#all.size === 0) this.#whenGone?.();
      return;
    }
    if (aside) return;
    this.#replace(place);
    if (place.wasReady) this.#fill();
    else if (!place.unloadable)
      this.#unloadable({ name: 'Error', message: `the thread died before the module was loaded: ${reason}`, code: 'false-start' });
  }

  /**
   * Its place is a spare's at once: what is ended may have to wait for a processor until it is gone. Another thread is started
   * only then, so that there are no more and more of them where native code holds those that were ended.
   */
  #replace(place: Place): void {
    if (!this.#working.delete(place) || this.#ending) return;
    this.#spares.lost();
    this.#employ();
  }

  /** It leaves when another is warm: gets no more work then, and ends when it has nothing left. */
  #recycleNext(): void {
    const { leaving } = this.#recycler;
    if (leaving === undefined || leaving.place.retired || this.#ending) return;
    this.#fill();
    const isWarm = [...this.#all].some((place) => place.ready && !this.#working.has(place) && !this.#aside.has(place));
    if (!isWarm) return;
    const { place, reason } = leaving;
    place.retired = true;
    this.#working.delete(place);
    this.#events.onRecycled(place, reason);
    this.#employ();
    this.#events.onLeaving(place);
    if (place.idle) place.end();
  }

  /**
   * At the first start there is nothing to go on with. Later there is, as long as a thread works with the code from before:
   * the file may be in the middle of a change, and a reload of it was refused for the same reason.
   */
  #unloadable(error: ErrorInfo): void {
    // Several that were started together count once.
    if (this.#ending || this.#pause !== undefined || this.#gaveUp) return;
    this.#falseStarts += 1;
    if (!this.#opened || (this.#falseStarts > FALSE_STARTS_MAX && this.#working.size === 0)) {
      this.#gaveUp = true;
      this.#events.onUnloadable(error);
      return;
    }
    if (this.#falseStarts === 1) this.#events.onFalseStart(error);
    const pauseMs = Math.min(FALSE_START_PAUSE_MAX_MS, FALSE_START_PAUSE_MS * this.#falseStarts);
    this.#pause = setTimeout(() => {
      this.#pause = undefined;
      this.#fill();
    }, pauseMs);
  }

  #startsAgain(): void {
    if (this.#falseStarts === 0) return;
    this.#falseStarts = 0;
    clearTimeout(this.#pause);
    this.#pause = undefined;
    this.#events.onFalseStart(undefined);
    // What the pause had put off.
    this.#fill();
  }
}

function canTimeOut(manifest: Manifest | undefined): boolean {
  return manifest?.tasks.some(({ settings }) => settings.timeoutMs > 0) ?? false;
}
