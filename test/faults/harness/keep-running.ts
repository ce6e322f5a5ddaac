/** What systemd or an orchestrator does: starts a consumer again whenever it has ended. */
import type { ConsumerProcess } from './processes.js';
import type { ConsumerOptions, FaultWorld } from './world.js';

export class KeptRunning {
  /** The one that runs now, or is about to. */
  current: ConsumerProcess;
  /** How often it was started again. */
  restarts = 0;
  readonly #world: FaultWorld;
  readonly #options: ConsumerOptions;
  #ended = false;

  static async start(world: FaultWorld, options: ConsumerOptions = {}): Promise<KeptRunning> {
    const kept = new KeptRunning(world, options, await world.startConsumer(options));
    world.onEnd(async () => {
      kept.#ended = true;
    });
    return kept;
  }

  private constructor(world: FaultWorld, options: ConsumerOptions, first: ConsumerProcess) {
    this.#world = world;
    this.#options = options;
    this.current = first;
    this.#watch(first);
  }

  #watch(process: ConsumerProcess): void {
    // A promise that never rejects.
    void process.exited.then(async () => {
      if (this.#ended) return;
      this.restarts += 1;
      this.current = await this.#world.startConsumer({ ...this.#options, wait: false });
      this.#watch(this.current);
    });
  }
}
