/**
 * The consumers of a queue in memory: their leases, what each has in flight, the last reply of each lane, and the rule
 * by which a silence that everybody shared is nobody's death.
 */
import { ConsumerReaped, InstanceTaken } from '../errors.js';
import type { InstanceClaim, StepReply } from '../storage.js';

export interface MemoryConsumer {
  readonly id: string;
  leaseEndsAt: number;
  /** id -> message, in the order of leasing. */
  readonly inFlight: Map<string, string>;
  readonly lanes: Map<number, { seq: number; reply: StepReply }>;
}

export class MemoryConsumers {
  readonly #consumers = new Map<string, MemoryConsumer>();
  /** When anybody's heartbeat or registration was last recorded. */
  #lastBeatAt = -Infinity;
  /** Since when heartbeats have come without a gap, so that a silence is worth something as evidence. */
  #awakeSince = -Infinity;

  /** Instance -> its consumer. */
  readonly #instances = new Map<string, string>();

  get size(): number {
    return this.#consumers.size;
  }

  all(): Iterable<MemoryConsumer> {
    return this.#consumers.values();
  }

  /** @throws ConsumerReaped */
  get(id: string): MemoryConsumer {
    const consumer = this.#consumers.get(id);
    if (consumer === undefined) throw new ConsumerReaped(id);
    return consumer;
  }

  find(id: string): MemoryConsumer | undefined {
    return this.#consumers.get(id);
  }

  /** The message of this id that is in flight, of whichever consumer. */
  inFlight(id: string): string | undefined {
    for (const { inFlight } of this.#consumers.values()) {
      const text = inFlight.get(id);
      if (text !== undefined) return text;
    }
    return undefined;
  }

  register(id: string, leaseMs: number, now: number): void {
    this.#noticeSilence(leaseMs, now);
    this.#lastBeatAt = now;
    const known = this.#consumers.get(id);
    if (known === undefined) this.#consumers.set(id, { id, leaseEndsAt: now + leaseMs, inFlight: new Map(), lanes: new Map() });
    else known.leaseEndsAt = now + leaseMs;
  }

  /** @throws ConsumerReaped */
  beat(id: string, leaseMs: number, now: number): MemoryConsumer {
    const consumer = this.get(id);
    this.#noticeSilence(leaseMs, now);
    this.#lastBeatAt = now;
    consumer.leaseEndsAt = now + leaseMs;
    return consumer;
  }

  /** Those that count as dead. Looking for them is no heartbeat: whoever looks beats too. */
  lapsed(leaseMs: number, now: number): MemoryConsumer[] {
    this.#noticeSilence(leaseMs, now);
    return [...this.#consumers.values()].filter(({ leaseEndsAt }) => Math.max(leaseEndsAt, this.#awakeSince + leaseMs) <= now);
  }

  delete(id: string): void {
    this.#consumers.delete(id);
    for (const [name, holder] of this.#instances) if (holder === id) this.#instances.delete(name);
  }

  /** Gives the name to this consumer, and the one that had it. @throws InstanceTaken */
  takeName(id: string, { name, takeOver }: InstanceClaim): MemoryConsumer | undefined {
    const holder = this.#instances.get(name);
    const former = holder === undefined || holder === id ? undefined : this.#consumers.get(holder);
    if (former !== undefined && !takeOver) throw new InstanceTaken(name);
    this.#instances.set(name, id);
    return former;
  }

  /** After a silence of everybody, or a step of the clock, everybody gets one more lease from now on. */
  #noticeSilence(leaseMs: number, now: number): void {
    const steppedBack = now < this.#lastBeatAt;
    if (steppedBack || now - this.#lastBeatAt > leaseMs / 2) this.#awakeSince = now;
    if (!steppedBack) return;
    // A lease that was given before the step would otherwise last as long as the step was wide.
    for (const consumer of this.#consumers.values()) consumer.leaseEndsAt = Math.min(consumer.leaseEndsAt, now + leaseMs);
  }
}
