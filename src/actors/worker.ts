/**
 * The worker actor: the life of one thread of the pool, as one long run. Duties:
 *  1. load the user's module once, and report what it declares;
 *  2. take chunks in the order in which they come, claim each task, run it, several at once where they wait, and write
 *     its record or report its outcome;
 *  3. tell when a chunk has come to its end;
 *  4. tell to which run an error belongs that reached no promise.
 * What it imports stays small: it is paid at every start of a thread.
 */
import { getHeapStatistics } from 'node:v8';
import { threadId, type MessagePort } from 'node:worker_threads';
import { currentOwner } from '../api/context.js';
import { chunkParser, startFigures, TaskRunner } from '../api/task-runner.js';
import { completionMaxBytes, encodeCompletion, writeCompletion } from '../runtime/completion.js';
import { errorInfo, fromErrorData } from '../runtime/error-data.js';
import type { Outcome } from '../runtime/lifecycle.js';
import { idOf, isLinked, readHead, SEPARATOR } from '../runtime/message.js';
import type { RunFigures } from '../runtime/run-accounts.js';
import { enterWorker, workerContext, type HueyCore, type WorkerContext } from '../runtime/worker-context.js';
import { LaneMemory } from './lane-memory.js';
import { loadHuey } from './module-loader.js';
import type { FinishedRun, FromThread, PendingSignal, SessionStart, ToThread } from './protocol.js';
import { Run } from './run.js';
import { PortStorage } from './storage-port.js';
import { takeConsole } from './task-console.js';

type Chunk = Extract<ToThread, { kind: 'chunk' }>;

/** Run by Piscina (`name: 'session'`); its end is the end of the thread. */
export async function session(start: SessionStart): Promise<void> {
  const storage = new PortStorage(start.storagePort);
  const context: WorkerContext = workerContext() ?? { storage, hueys: [] };
  enterWorker(context);
  takeConsole(start.port, start.output);
  let huey: HueyCore;
  try {
    huey = await loadHuey(start.module, start.huey, context.hueys);
  } catch (error) {
    post(start.port, { kind: 'unloadable', error: errorInfo(error) });
    return forEver();
  }
  context.queue = huey.name;
  await huey.hooks.runStartup();
  const worker = new Worker(start, huey);
  post(start.port, {
    kind: 'ready',
    threadId,
    manifest: {
      queue: huey.name,
      connection: huey.connection,
      settings: huey.settings,
      tasks: huey.registry.manifest(),
      signals: huey.hooks.wanted(),
    },
  });
  await worker.ended;
  await huey.hooks.runShutdown();
  post(start.port, { kind: 'ended' });
  return forEver();
}

/**
 * The supervisor ends the thread. A run that came to its end would leave it to the pool, and the next run would find
 * the modules of this one, broken or old.
 */
async function forEver(): Promise<void> {
  return new Promise(() => undefined);
}

class Worker {
  readonly ended: Promise<void>;
  readonly #port: MessagePort;
  readonly #tellHeap: boolean;
  readonly #huey: HueyCore;
  readonly #runner: TaskRunner;
  readonly #lanes: LaneMemory[];
  /** Tasks at once. */
  readonly #seats: number;
  /** Names of tasks beside which nothing else runs; empty where nothing ever does. */
  readonly #exclusive: ReadonlySet<string>;
  readonly #chunks: Chunk[] = [];
  #busy = false;
  /** What is waited for. What gives its value at once is never in here. */
  readonly #runs = new Set<Run>();
  /** Tells whoever waits for a seat that a run has ended. */
  #onEnd: () => void = () => undefined;
  /** Signals are told one after the other, in the order in which they came. */
  #telling: Promise<void> = Promise.resolve();

  constructor({ port, lanes, concurrency, tellHeap }: SessionStart, huey: HueyCore) {
    this.#tellHeap = tellHeap;
    this.#port = port;
    this.#huey = huey;
    this.#runner = new TaskRunner(huey);
    this.#lanes = lanes.map((buffer) => new LaneMemory(buffer as never));
    this.#seats = concurrency;
    this.#exclusive = concurrency === 1 ? new Set() : exclusiveNames(huey);
    process.on('uncaughtException', (error) => this.#stray(error));
    process.on('unhandledRejection', (error) => this.#stray(error));
    this.ended = new Promise((resolve) => {
      port.on('message', (message: ToThread) => {
        switch (message.kind) {
          case 'chunk':
            this.#chunks.push(message);
            if (!this.#busy) void this.#work();
            break;
          case 'abort': {
            const memory = this.#lanes[message.lane];
            for (const run of this.#runs) {
              if (run.memory !== memory || run.slot !== message.slot) continue;
              post(port, { kind: 'heard', lane: message.lane, slot: message.slot });
              run.abort();
            }
            break;
          }
          case 'signals':
            this.#telling = this.#telling.then(() => tellSignals(huey, message.list));
            break;
          case 'stop':
            void this.#telling.then(resolve);
            break;
        }
      });
    });
  }

  async #work(): Promise<void> {
    this.#busy = true;
    for (let chunk = this.#chunks.shift(); chunk; chunk = this.#chunks.shift()) await this.#runChunk(chunk);
    this.#busy = false;
  }

  /** Comes back when everything of it was started; it ends when everything has ended. */
  async #runChunk({ lane, text, count, skewMs, observe }: Chunk): Promise<void> {
    const memory = this.#memory(lane);
    const parse = chunkParser(text, count, SEPARATOR, this.#huey.codec);
    const open: OpenChunk = { lane, left: 1, runs: observe ? [] : undefined };
    for (let slot = 0; slot < count; slot++) {
      const message = parse(slot);
      const alone = this.#exclusive.size > 0 && this.#isExclusive(message);
      // Before it is claimed: as long as it waits it can be taken back.
      if (this.#runs.size > 0) await this.#below(alone ? 1 : this.#seats);
      if (!memory.claim(slot)) continue;
      if (observe) post(this.#port, { kind: 'started', lane, slot });
      const run = new Run(memory, slot, this.#seats > 1);
      const figures = observe ? startFigures(skewMs) : undefined;
      const running = this.#runner.run(message, run, skewMs);
      open.left += 1;
      // Waiting costs a turn of the microtask queue; most tasks of a chunk need none.
      if (!(running instanceof Promise)) this.#end(open, run, running, message, figures?.(run, true));
      else {
        this.#runs.add(run);
        if (this.#seats === 1) {
          const outcome = await running;
          this.#end(open, run, outcome, message, figures?.(run, true));
        } else {
          void running.then((outcome) => this.#end(open, run, outcome, message, figures?.(run, false)));
          if (alone) await this.#below(1);
        }
      }
    }
    this.#endChunk(open);
  }

  #end(open: OpenChunk, run: Run, outcome: Outcome, message: unknown, ran: RunFigures | undefined): void {
    run.end();
    const isCompletion = this.#finish(open.lane, run, outcome, message, ran);
    if (isCompletion && ran !== undefined) open.runs?.push({ slot: run.slot, ...ran });
    this.#endChunk(open);
    if (this.#runs.delete(run)) this.#onEnd();
  }

  /** One of what holds it has ended: a run, or the loop that starts them. */
  #endChunk(open: OpenChunk): void {
    open.left -= 1;
    if (open.left > 0) return;
    if (open.runs !== undefined && open.runs.length > 0) post(this.#port, { kind: 'finished', lane: open.lane, runs: open.runs });
    if (this.#tellHeap) post(this.#port, { kind: 'heap', bytes: getHeapStatistics().used_heap_size });
    post(this.#port, open.lane);
  }

  /** True where it is a completion, whose record goes unread; everything else is told, with what it took. */
  #finish(laneNumber: number, { memory, slot }: Run, outcome: Outcome, message: unknown, ran: RunFigures | undefined): boolean {
    // What concerns others is settled by the supervisor, in one transition with all that belongs to it.
    if (!memory.publish(slot) || outcome.kind !== 'complete' || isLinked((message as [string])[0], -2)) {
      post(this.#port, { kind: 'outcome', lane: laneNumber, slot, outcome, ...(ran === undefined ? {} : { ran }) });
      memory.reported(slot);
      return false;
    }
    const id = idOf((message as [string])[0], -2);
    const used = memory.ownUsed;
    if (used + completionMaxBytes(id, outcome.record) <= memory.arena.length) {
      memory.done(slot, writeCompletion(memory.arena, used, id, outcome.ttlSeconds, outcome.record));
      return true;
    }
    const bytes = encodeCompletion({ id, ttlSeconds: outcome.ttlSeconds, record: outcome.record });
    post(this.#port, { kind: 'completion', lane: laneNumber, bytes });
    memory.reported(slot);
    return true;
  }

  /** Waits until fewer runs than this are on. Only the loop that starts them does. */
  async #below(limit: number): Promise<void> {
    while (this.#runs.size >= limit) {
      await new Promise<void>((resolve) => {
        this.#onEnd = resolve;
      });
    }
  }

  #isExclusive(message: unknown): boolean {
    try {
      return this.#exclusive.has(readHead((message as [string])[0], -2).name);
    } catch {
      return false;
    }
  }

  /**
   * An error that reached no promise. It belongs to the run in whose context it was thrown, which may have ended; where
   * there is no context (code of the module itself, a callback in native code), most likely to the only one that is on.
   */
  #stray(error: unknown): void {
    const owner = currentOwner() ?? (this.#runs.size === 1 ? [...this.#runs][0] : undefined);
    if (owner instanceof Run && owner.fail(error)) return;
    post(this.#port, { kind: 'stray', error: errorInfo(error) });
  }

  #memory(lane: number): LaneMemory {
    const memory = this.#lanes[lane];
    if (memory === undefined) throw new RangeError(`no lane ${lane}`);
    return memory;
  }
}

/** A chunk that has not come to its end. */
interface OpenChunk {
  lane: number;
  /** What holds it: its runs, and the loop that starts them. */
  left: number;
  /** What completed, where somebody wants to know. */
  runs: FinishedRun[] | undefined;
}

function exclusiveNames({ registry }: HueyCore): Set<string> {
  return new Set(registry.manifest().flatMap(({ name, settings }) => (settings.exclusive === true ? [name] : [])));
}

async function tellSignals(huey: HueyCore, list: readonly PendingSignal[]): Promise<void> {
  for (const { signal, text, error } of list) {
    try {
      const { head, body } = huey.codec.decodeMessage(text);
      const task = { id: head.id, name: head.name, args: huey.codec.decodeArgs(body.args), meta: body.meta ?? {} };
      await huey.hooks.emit(signal, task, error === undefined ? undefined : fromErrorData(error));
    } catch {
      // What cannot be read cannot be told; its end was committed all the same.
    }
  }
}

function post(port: MessagePort, message: FromThread): void {
  port.postMessage(message);
}
