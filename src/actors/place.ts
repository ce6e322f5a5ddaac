/**
 * A place: the supervisor's side of one thread. Duties:
 *  1. start the thread's run, with its ports and its memory;
 *  2. post chunks into lanes that are free;
 *  3. tell what comes back: outcomes, ends of chunks, the end of the thread, in this order.
 */
import { MessageChannel, type MessagePort } from 'node:worker_threads';
import type { ErrorInfo, Outcome } from '../runtime/lifecycle.js';
import type { Chunk } from '../runtime/storage.js';
import { ARENA_BYTES, SMALL_ARENA_BYTES } from './lane-memory.js';
import { Lane, type StopReason } from './lane.js';
import { stackProbe } from './stack-probe.js';
import type { ThreadPool } from './pool.js';
import type { RunFigures } from '../runtime/run-accounts.js';
import type { FinishedRun, FromThread, Manifest, PendingSignal, SessionStart, ToThread } from './protocol.js';
import type { TaskOutput, ThreadOutput } from './task-output.js';

/** Chunks that a thread with one seat may hold: one that runs, and the others so that it need not wait for the storage. */
const LANES = 4;
/** With several seats: lanes beyond those, for what waits there for a seat. */
const LANES_AHEAD = 64;
/** Native code that does not return keeps a terminated thread alive; waiting longer for its end helps nobody. */
const DEATH_WAIT_MS = 1000;
/** Where a run is whose thread answers: no stack leads there. */
const AWAITING = '    (its thread went on meanwhile: it was waiting for a promise, a timer or a reply)';

export interface PlaceEvents {
  onReady(place: Place, manifest: Manifest): void;
  onUnloadable(place: Place, error: ErrorInfo): void;
  /** `ran`: where the chunk is observed. */
  onOutcome(place: Place, lane: Lane, slot: number, outcome: Outcome, ran?: RunFigures): void;
  onFinished(place: Place, lane: Lane, runs: readonly FinishedRun[]): void;
  onCompletion(place: Place, lane: Lane, bytes: Uint8Array): void;
  onStarted(place: Place, lane: Lane, slot: number): void;
  onChunkEnd(place: Place, lane: Lane): void;
  onStray(place: Place, error: ErrorInfo): void;
  /** It did not react when a run of it was stopped: it will most likely have to be ended. */
  onDeaf(place: Place): void;
  /** It is ended whatever it does, and is given nothing more. `onGone` follows, which may take a busy machine long. */
  onKilled(place: Place): void;
  /** The thread is gone; the lanes still tell what it held. */
  onGone(place: Place, reason: string): void;
}

export interface PlaceStart {
  pool: ThreadPool;
  module: string;
  huey: string | undefined;
  /** Tasks at once. */
  seats: number;
  openStorage: (port: MessagePort) => void;
  /** Whether the thread shall tell how much its heap holds. */
  tellHeap: boolean;
  output: TaskOutput;
}

export class Place {
  readonly number: number;
  readonly lanes: readonly Lane[];
  /** Tasks that may run at once. */
  readonly seats: number;
  #state: 'starting' | 'ready' | 'ending' | 'gone' = 'starting';
  /** Runs one task alone; nothing else is posted until it has ended. */
  alone = false;
  /** When something was last seen to begin or to end in it. */
  movedAt = 0;
  /** It may be given nothing: something exclusive runs or waits, or what it had did not start though there were seats; until something moves. */
  blocked = false;
  readonly startedAt = performance.now();
  /** When it had loaded the module. */
  readyAt = 0;
  /** It did not react to the last soft stop. */
  deaf = false;
  /** In use behind its last chunk, where that is asked for. */
  heapBytes = 0;
  /** Tasks that it was given. */
  served = 0;
  /** It gets no more work, because it has served enough. */
  retired = false;
  /** It was ended on purpose. */
  killed = false;
  /** The module did not load in it. */
  unloadable = false;
  /** It has loaded the module. */
  wasReady = false;
  /** When the last chunk came to its end: the next one's time counts from here. */
  lastEndAt = 0;
  readonly #events: PlaceEvents;
  readonly #port: MessagePort;
  readonly #storagePort: MessagePort;
  readonly #output: ThreadOutput;
  readonly #kill = new AbortController();
  #threadId = -1;

  constructor(number: number, { pool, module, huey, seats, openStorage, tellHeap, output }: PlaceStart, events: PlaceEvents) {
    this.number = number;
    this.seats = seats;
    // With several seats a lane for each, so that one task that takes long holds back no seat but its own; and some ahead.
    this.lanes =
      seats === 1
        ? Array.from({ length: LANES }, (_, i) => new Lane(i, ARENA_BYTES))
        : Array.from({ length: seats + Math.min(seats, LANES_AHEAD) }, (_, i) => new Lane(i, SMALL_ARENA_BYTES));
    this.#events = events;
    this.#output = output.open();
    const control = new MessageChannel();
    const storage = new MessageChannel();
    this.#port = control.port1;
    openStorage(storage.port1);
    this.#storagePort = storage.port1;
    const closed = new Promise<void>((resolve) => {
      this.#port.once('close', resolve);
    });
    this.#port.on('message', (message: FromThread) => this.#receive(message));
    const start: SessionStart = {
      module,
      huey,
      port: control.port2,
      storagePort: storage.port2,
      lanes: this.lanes.map((lane) => lane.memory.buffer),
      concurrency: seats,
      tellHeap,
      output: this.#output.budget,
    };
    void this.#live(pool.run(start, [control.port2, storage.port2], this.#kill.signal), closed);
  }

  get ready(): boolean {
    return this.#state === 'ready' && !this.retired;
  }

  get idle(): boolean {
    return this.lanes.every((lane) => !lane.busy);
  }

  post(lane: Lane, chunk: Chunk, skewMs: number, observe: boolean): void {
    lane.load(chunk, performance.now());
    this.#send({ kind: 'chunk', lane: lane.number, text: chunk.text, count: chunk.count, skewMs, observe });
  }

  /** The soft stop: the run's signal fires, as soon as the thread listens. */
  abort(lane: Lane, slot: number, reason: StopReason): void {
    this.#send({ kind: 'abort', lane: lane.number, slot, reason });
  }

  /** Asks where the thread is, for the sake of this run; told by then or not at all. */
  locate(lane: Lane, slot: number): void {
    this.deaf = true;
    this.#events.onDeaf(this);
    const run = lane.runs.get(slot);
    stackProbe.ask(this.#threadId, (stack) => {
      // What runs there may be another one by now.
      if (run !== undefined && lane.runs.get(slot) === run) lane.wheres.set(slot, stack);
    });
  }

  tellSignals(list: PendingSignal[]): void {
    this.#send({ kind: 'signals', list });
  }

  /** The hard stop, whatever the thread does. `onGone` follows. */
  kill(): void {
    if (this.#state === 'gone' || this.killed) return;
    this.#state = 'ending';
    this.killed = true;
    stackProbe.leave(this.#threadId);
    this.#kill.abort();
    this.#events.onKilled(this);
  }

  /** The quiet end of an idle thread. `onGone` follows. */
  end(): void {
    if (this.#state === 'gone') return;
    this.#state = 'ending';
    this.#send({ kind: 'stop' });
  }

  #receive(message: FromThread): void {
    if (this.#state === 'gone') return;
    if (typeof message === 'number') {
      const lane = this.#lane(message);
      this.deaf = false;
      if (lane) this.#events.onChunkEnd(this, lane);
      return;
    }
    switch (message.kind) {
      case 'outcome': {
        const lane = this.#lane(message.lane);
        if (lane) this.#events.onOutcome(this, lane, message.slot, message.outcome, message.ran);
        break;
      }
      case 'heard':
        this.deaf = false;
        this.#lane(message.lane)?.wheres.set(message.slot, AWAITING);
        break;
      case 'started': {
        const lane = this.#lane(message.lane);
        if (lane) this.#events.onStarted(this, lane, message.slot);
        break;
      }
      case 'finished': {
        const lane = this.#lane(message.lane);
        if (lane) this.#events.onFinished(this, lane, message.runs);
        break;
      }
      case 'completion': {
        const lane = this.#lane(message.lane);
        if (lane) this.#events.onCompletion(this, lane, message.bytes);
        break;
      }
      case 'console':
        this.#output.line(message.line);
        break;
      case 'heap':
        this.heapBytes = message.bytes;
        break;
      case 'stray':
        this.#events.onStray(this, message.error);
        break;
      case 'ready':
        if (this.#state === 'starting') this.#state = 'ready';
        this.wasReady = true;
        this.readyAt = performance.now();
        this.#threadId = message.threadId;
        this.#events.onReady(this, message.manifest);
        break;
      case 'ended':
        this.kill();
        break;
      case 'unloadable':
        this.kill();
        this.#events.onUnloadable(this, message.error);
        break;
    }
  }

  /** The run's promise may settle before the thread is gone, and before its last messages are read; the port closes after both. */
  async #live(run: Promise<void>, closed: Promise<void>): Promise<void> {
    let reason = 'the thread ended';
    try {
      await run;
    } catch (error) {
      reason = this.#state === 'ending' ? 'the thread was ended' : describeDeath(error);
    }
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, DEATH_WAIT_MS);
    });
    // One that was ended before it had loaded the module has nothing to tell; one that died tells what it wrote before.
    if (this.wasReady || !this.killed) await Promise.race([closed, late]);
    clearTimeout(timer);
    this.#port.close();
    this.#storagePort.close();
    this.#state = 'gone';
    this.#output.end();
    this.#events.onGone(this, reason);
  }

  #send(message: ToThread): void {
    this.#port.postMessage(message);
  }

  #lane(number: number): Lane | undefined {
    return this.lanes[number];
  }
}

function describeDeath(error: unknown): string {
  if (!(error instanceof Error)) return 'the thread died';
  if ((error as { code?: unknown }).code === 'ERR_WORKER_OUT_OF_MEMORY') return `out of memory: ${error.message}`;
  return error.message === '' ? `the thread died (${error.name})` : error.message;
}
