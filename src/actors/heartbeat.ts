/**
 * Keeps this consumer's lease alive, and looks after the others'. Duties, three times per lease:
 *  1. renew the lease; learn the storage's clock, what was canceled of that which is held, and whether
 *     to reload;
 *  2. compare what the storage holds for this consumer with what it knows: what only the storage knows of, twice in a
 *     row, was stranded by a reply that nobody got, and is given back;
 *  3. reap: give back what dead consumers held.
 * It runs on the supervisor's loop, never in a thread that runs tasks.
 */
import { ConsumerReaped } from '../runtime/errors.js';
import { BEATS_PER_LEASE } from '../runtime/limits.js';
import type { ReapReply, Storage } from '../runtime/storage.js';

/** After a beat that failed, the next one comes sooner. */
const RETRY_MS = 500;

export interface HeartbeatDuties {
  storage: Storage;
  consumer: string;
  leaseMs: number;
  /** What is known to be held; may name more, never less. */
  heldIds(): Set<string>;
  onTime(now: number): void;
  /** These were canceled, perhaps without anybody here having heard of it. */
  onCanceled(ids: readonly string[]): void;
  /** So often consumers were asked to reload by now. */
  onReloads(reloads: number): void;
  /** Something waits to be leased that no call saw. */
  onLanding(): void;
  onReapedOthers(reply: ReapReply): void;
  onReleased(count: number): void;
  onReaped(): void;
  onTrouble(error: Error): void;
}

export class Heartbeat {
  readonly #duties: HeartbeatDuties;
  #timer: NodeJS.Timeout | undefined;
  #strangers = new Set<string>();
  #ended = false;

  constructor(duties: HeartbeatDuties) {
    this.#duties = duties;
    this.#later(this.#intervalMs);
  }

  end(): void {
    this.#ended = true;
    clearTimeout(this.#timer);
  }

  get #intervalMs(): number {
    return this.#duties.leaseMs / BEATS_PER_LEASE;
  }

  #later(waitMs: number): void {
    if (this.#ended) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.beat(), waitMs);
  }

  /** One round, now; the next one comes by itself. Never rejects. */
  async beat(): Promise<void> {
    const { storage, consumer, leaseMs } = this.#duties;
    const startedAt = performance.now();
    try {
      const reply = await storage.beat(consumer, leaseMs);
      if (this.#ended) return;
      this.#duties.onTime(reply.now);
      this.#duties.onReloads(reply.reloads);
      if (reply.landing > 0) this.#duties.onLanding();
      if (reply.canceled.length > 0) this.#duties.onCanceled(reply.canceled);
      await this.#reconcile(reply.held);
      const reaped = await storage.reap(leaseMs);
      if (reaped.consumers.length > 0) this.#duties.onReapedOthers(reaped);
      this.#later(Math.max(0, this.#intervalMs - (performance.now() - startedAt)));
    } catch (error) {
      if (this.#ended) return;
      if (error instanceof ConsumerReaped) return this.#duties.onReaped();
      this.#duties.onTrouble(error as Error);
      this.#later(Math.min(RETRY_MS, this.#intervalMs));
    }
  }

  async #reconcile(held: number): Promise<void> {
    const { storage, consumer } = this.#duties;
    if (held === 0) {
      this.#strangers.clear();
      return;
    }
    const known = this.#duties.heldIds();
    const strangers = new Set((await storage.heldIds(consumer)).filter((id) => !known.has(id)));
    // Replies under way name ids that are not known yet: only what stays unknown until the next beat is stranded.
    const stranded = [...strangers].filter((id) => this.#strangers.has(id));
    this.#strangers = strangers;
    if (stranded.length > 0) this.#duties.onReleased(await storage.release(consumer, stranded));
  }
}
