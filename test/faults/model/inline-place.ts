/** A place whose tasks run in this thread, with the runner of the real one; its thread can die all the same. */
import { Lane } from '../../../src/actors/lane.js';
import { Slot } from '../../../src/actors/lane-memory.js';
import type { Place } from '../../../src/actors/place.js';
import { chunkParser, type TaskRunner } from '../../../src/api/task-runner.js';
import { writeCompletion } from '../../../src/runtime/completion.js';
import type { Outcome } from '../../../src/runtime/lifecycle.js';
import { idOf, isLinked, SEPARATOR } from '../../../src/runtime/message.js';
import { PLAIN_CODEC } from '../../../src/runtime/payload-codec.js';
import type { Chunk } from '../../../src/runtime/storage.js';

export interface InlinePlaceEvents {
  onOutcome(lane: Lane, slot: number, outcome: Outcome): void;
  onChunkEnd(place: Place, lane: Lane): void;
  onGone(place: Place): void;
}

interface Posted {
  lane: Lane;
  chunk: Chunk;
  skewMs: number;
}

export class InlinePlace {
  readonly lanes: readonly Lane[] = [new Lane(0), new Lane(1)];
  readonly seats = 1;
  movedAt = 0;
  blocked = false;
  ready = true;
  alone = false;
  lastEndAt = 0;
  readonly #runner: TaskRunner;
  readonly #events: InlinePlaceEvents;
  readonly #posted: Posted[] = [];
  #running = false;

  constructor(runner: TaskRunner, events: InlinePlaceEvents) {
    this.#runner = runner;
    this.#events = events;
  }

  /** As the dispatcher knows it. */
  get place(): Place {
    return this as unknown as Place;
  }

  get idle(): boolean {
    return this.lanes.every((lane) => !lane.busy);
  }

  post(lane: Lane, chunk: Chunk, skewMs: number): void {
    lane.load(chunk, performance.now());
    this.#posted.push({ lane, chunk, skewMs });
    if (!this.#running) setImmediate(() => void this.#work());
  }

  runs(id: string): boolean {
    return this.lanes.some((lane) => lane.slotsIn(Slot.RUNNING).some((slot) => idOf(lane.message(slot)) === id));
  }

  abort(): void {
    // Nothing here runs into its timeout.
  }

  /** The thread dies, with all that it holds. */
  kill(): void {
    if (!this.ready) return;
    this.ready = false;
    this.#posted.length = 0;
    setImmediate(() => this.#events.onGone(this.place));
  }

  async #work(): Promise<void> {
    this.#running = true;
    for (let posted = this.#posted.shift(); posted; posted = this.#posted.shift()) {
      await this.#runChunk(posted);
      if (!this.ready) return;
      this.#events.onChunkEnd(this.place, posted.lane);
    }
    this.#running = false;
  }

  async #runChunk({ lane, chunk, skewMs }: Posted): Promise<void> {
    const parse = chunkParser(chunk.text, chunk.count, SEPARATOR, PLAIN_CODEC);
    for (let slot = 0; slot < chunk.count; slot++) {
      if (!this.ready || !lane.memory.claim(slot)) continue;
      const stop = {
        stopped: () => lane.memory.stopping(slot),
        canceled: () => lane.memory.canceled(slot),
        onAbort: () => undefined,
        failure: () => new Promise<never>(() => undefined),
      };
      const outcome = await this.#runner.run(parse(slot), stop, skewMs);
      if (this.ready) this.#finish(lane, slot, outcome);
    }
  }

  #finish(lane: Lane, slot: number, outcome: Outcome): void {
    const { memory } = lane;
    const text = lane.message(slot);
    if (!memory.publish(slot) || outcome.kind !== 'complete' || isLinked(text, 0)) {
      this.#events.onOutcome(lane, slot, outcome);
      memory.reported(slot);
      return;
    }
    memory.done(slot, writeCompletion(memory.arena, memory.used, idOf(text), outcome.ttlSeconds, outcome.record));
  }
}
