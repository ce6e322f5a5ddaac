/**
 * The worker actor: the life of one thread of the pool, as one long run. Duties:
 *  1. load the user's module once, and report what it declares;
 *  2. take chunks in the order in which they come, claim each task, run it, write its record or report its outcome;
 *  3. tell when a chunk has come to its end.
 * What it imports stays small: it is paid at every start of a thread.
 */
import type { MessagePort } from 'node:worker_threads';
import { currentRun, type RunInfo } from '../api/context.js';
import type { StopView } from '../api/running-task.js';
import { parseChunk, TaskRunner } from '../api/task-runner.js';
import { completionMaxBytes, encodeCompletion, writeCompletion } from '../runtime/completion.js';
import { errorInfo, fromErrorData } from '../runtime/error-data.js';
import { TaskTimeout } from '../runtime/errors.js';
import type { Outcome } from '../runtime/lifecycle.js';
import { idOf, isLinked, readHead, runOf, SEPARATOR } from '../runtime/message.js';
import { enterWorker, workerContext, type HueyCore, type WorkerContext } from '../runtime/worker-context.js';
import { ARENA_BYTES, LaneMemory } from './lane-memory.js';
import { loadHuey } from './module-loader.js';
import type { FromThread, PendingSignal, SessionStart, ToThread } from './protocol.js';
import { PortStorage } from './storage-port.js';

type Chunk = Extract<ToThread, { kind: 'chunk' }>;

/** Run by Piscina (`name: 'session'`); its end is the end of the thread. */
export async function session(start: SessionStart): Promise<void> {
  const storage = new PortStorage(start.storagePort);
  const context: WorkerContext = workerContext() ?? { storage, hueys: [] };
  enterWorker(context);
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

class Worker implements StopView {
  readonly ended: Promise<void>;
  readonly #port: MessagePort;
  readonly #huey: HueyCore;
  readonly #runner: TaskRunner;
  readonly #lanes: LaneMemory[];
  readonly #chunks: Chunk[] = [];
  #busy = false;
  /** Signals are told one after the other, in the order in which they came. */
  #telling: Promise<void> = Promise.resolve();
  /** The task that runs: its lane and its place in the chunk, and its message. */
  #lane: LaneMemory;
  #slot = -1;
  #message: unknown;
  #abort: ((reason: Error) => void) | undefined;
  /** Ends the run that is waited for, where an error outside any promise is the only sign that it failed. */
  #failRun: (error: unknown) => void = () => undefined;

  constructor({ port, lanes }: SessionStart, huey: HueyCore) {
    this.#port = port;
    this.#huey = huey;
    this.#runner = new TaskRunner(huey);
    this.#lanes = lanes.map((buffer) => new LaneMemory(buffer as never));
    this.#lane = this.#memory(0);
    process.on('uncaughtException', (error) => this.#stray(error));
    process.on('unhandledRejection', (error) => this.#stray(error));
    this.ended = new Promise((resolve) => {
      port.on('message', (message: ToThread) => {
        switch (message.kind) {
          case 'chunk':
            this.#chunks.push(message);
            if (!this.#busy) void this.#work();
            break;
          case 'abort':
            if (this.#lanes[message.lane] === this.#lane && this.#slot === message.slot) {
              this.#abort?.(
                new TaskTimeout({ error: `the task was stopped: ${message.reason}`, retries: 0, taskId: '', willRetry: false }),
              );
            }
            break;
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

  stopped(): boolean {
    return this.#lane.stopping(this.#slot);
  }

  onAbort(abort: (reason: Error) => void): void {
    this.#abort = abort;
  }

  async #work(): Promise<void> {
    this.#busy = true;
    for (let chunk = this.#chunks.shift(); chunk; chunk = this.#chunks.shift()) {
      await this.#runChunk(chunk);
      post(this.#port, chunk.lane);
    }
    this.#busy = false;
  }

  async #runChunk(chunk: Chunk): Promise<void> {
    const lane = this.#memory(chunk.lane);
    const messages = parseChunk(chunk.text, chunk.count, SEPARATOR, this.#huey.codec);
    const runs: number[] = [];
    for (let slot = 0; slot < chunk.count; slot++) {
      if (!lane.claim(slot)) continue;
      this.#lane = lane;
      this.#slot = slot;
      this.#message = messages[slot];
      const startedAt = chunk.observe ? performance.now() : 0;
      if (chunk.observe) post(this.#port, { kind: 'started', lane: chunk.lane, slot });
      const running = this.#runner.run(messages[slot], this, chunk.skewMs, this.#failure);
      // Waiting costs a turn of the microtask queue; most tasks of a chunk need none.
      const outcome = running instanceof Promise ? await running : running;
      const ranMs = chunk.observe ? performance.now() - startedAt : undefined;
      const isCompletion = this.#finish(chunk.lane, lane, slot, outcome, messages[slot], ranMs);
      if (isCompletion && ranMs !== undefined) runs.push(slot, ranMs);
      this.#slot = -1;
      this.#abort = undefined;
    }
    if (runs.length > 0) post(this.#port, { kind: 'finished', lane: chunk.lane, runs });
  }

  /** True where it is a completion, whose record goes unread; everything else is told, with the time that it took. */
  #finish(laneNumber: number, lane: LaneMemory, slot: number, outcome: Outcome, message: unknown, ranMs: number | undefined): boolean {
    // What concerns others is settled by the supervisor, in one transition with all that belongs to it.
    if (!lane.publish(slot) || outcome.kind !== 'complete' || isLinked((message as [string])[0], -2)) {
      post(this.#port, { kind: 'outcome', lane: laneNumber, slot, outcome, ...(ranMs === undefined ? {} : { ranMs }) });
      lane.reported(slot);
      return false;
    }
    const id = idOf((message as [string])[0], -2);
    const used = lane.used;
    if (used + completionMaxBytes(id, outcome.record) <= ARENA_BYTES) {
      lane.done(slot, writeCompletion(lane.arena, used, id, outcome.ttlSeconds, outcome.record));
      return true;
    }
    const bytes = encodeCompletion({ id, ttlSeconds: outcome.ttlSeconds, record: outcome.record });
    post(this.#port, { kind: 'completion', lane: laneNumber, bytes });
    lane.reported(slot);
    return true;
  }

  /** An error that belongs to no promise: of the task in whose code it arose, or, where that is not known, most likely of the one that runs. */
  #stray(error: unknown): void {
    if (this.#slot >= 0 && !this.#isOfAnother(currentRun())) this.#failRun(error);
    else post(this.#port, { kind: 'stray', error: errorInfo(error) });
  }

  /** A timer that an ended task left behind may throw while an innocent one runs. */
  #isOfAnother(run: RunInfo | undefined): boolean {
    if (run === undefined) return false;
    const head = readHead((this.#message as [string])[0], -2);
    return run.id !== head.id || run.run !== runOf(head);
  }

  /** One for each run that is waited for: a promise that outlived them would keep every one of them. */
  readonly #failure = (): Promise<never> =>
    new Promise((_, reject) => {
      this.#failRun = reject;
    });

  #memory(lane: number): LaneMemory {
    const memory = this.#lanes[lane];
    if (memory === undefined) throw new RangeError(`no lane ${lane}`);
    return memory;
  }
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
