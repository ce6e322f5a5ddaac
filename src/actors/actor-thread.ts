/**
 * A supporting actor in a thread of its own: started, called, watched and, when it dies, started again, a bounded number
 * of times.
 */
import { MessageChannel, Worker, type MessagePort } from 'node:worker_threads';
import { connectActor, exposeActor, type ActorMethods, type ActorRef } from '../runtime/actor-ref.js';
import { COMMAND_TIMEOUT_MS, MINUTE_MS } from '../runtime/limits.js';
import { threadArguments } from '../runtime/thread-arguments.js';
import { within } from './within.js';

const RESTARTS_MAX = 10;
const RESTARTS_WITHIN_MS = 10 * MINUTE_MS;
const RESTART_PAUSE_MS = 200;

export interface ActorStart<Data> {
  /** Answers calls to the actor's own methods. */
  inbox: MessagePort;
  /** Calls the supervisor. */
  outbox: MessagePort;
  data: Data;
}

export interface ActorThreadOptions<Own, Data> {
  name: string;
  /** File beside this one. */
  file: string;
  methods: readonly (keyof Own & string)[];
  /** What the actor may call here. */
  offers: ActorMethods;
  data: Data;
  onDeath: (error: Error, restarts: boolean) => void;
}

/** While an actor is being started again, it is looked for this often. */
const LOOK_MS = 50;

/** Every actor answers this. */
export interface ActorMethodsBase {
  ping(): true;
}

export class ActorThread<Own extends ActorMethodsBase, Data> {
  readonly #options: ActorThreadOptions<Own, Data>;
  #answeredAt = performance.now();
  readonly #deaths: number[] = [];
  #worker: Worker | undefined;
  #ref: ActorRef<Own> | undefined;
  #stopped = false;

  constructor(options: ActorThreadOptions<Own, Data>) {
    this.#options = options;
    this.#start();
  }

  /** The actor's methods; undefined between its death and its restart. */
  get ref(): ActorRef<Own> | undefined {
    return this.#ref;
  }

  get name(): string {
    return this.#options.name;
  }

  /** Monotonic time of its last answer to `answers`, or of its first start. */
  get answeredAt(): number {
    return this.#answeredAt;
  }

  /** Whether it answers in time; one that is being started again is waited for. Never rejects. */
  async answers(withinMs: number): Promise<boolean> {
    for (const endsAt = performance.now() + withinMs; performance.now() < endsAt;) {
      const { ref } = this;
      try {
        if (ref !== undefined && (await within((ref as ActorRef<ActorMethodsBase>).ping(), endsAt - performance.now()))) {
          this.#answeredAt = performance.now();
          return true;
        }
      } catch {
        // It died while it was asked.
      }
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    }
    return false;
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#worker?.terminate();
  }

  #start(): void {
    const { name, file, methods, offers, data } = this.#options;
    const down = new MessageChannel();
    const up = new MessageChannel();
    exposeActor(up.port1, offers);
    const start: ActorStart<Data> = { inbox: down.port2, outbox: up.port2, data };
    const worker = new Worker(new URL(file, import.meta.url), {
      name,
      workerData: start,
      transferList: [down.port2, up.port2],
      ...threadArguments(),
    });
    let failure = new Error(`${name} ended`);
    worker.on('error', (error) => {
      failure = error;
    });
    worker.on('exit', () => {
      this.#ref = undefined;
      down.port1.close();
      up.port1.close();
      if (!this.#stopped) this.#died(failure);
    });
    this.#worker = worker;
    this.#ref = connectActor<Own>(down.port1, { name, methods, deadlineMs: COMMAND_TIMEOUT_MS });
  }

  #died(error: Error): void {
    const now = performance.now();
    this.#deaths.push(now);
    const recent = this.#deaths.filter((at) => now - at < RESTARTS_WITHIN_MS).length;
    const restarts = recent <= RESTARTS_MAX;
    this.#options.onDeath(error, restarts);
    if (restarts) {
      setTimeout(() => {
        if (!this.#stopped) this.#start();
      }, RESTART_PAUSE_MS);
    }
  }
}
