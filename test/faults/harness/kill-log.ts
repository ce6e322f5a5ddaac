/**
 * Which consumers were killed, when, and what they held at that instant. From it follows what may run again, and by when
 * it must (promise G3).
 */
import assert from 'node:assert/strict';
import type { ConsumerProcess } from './processes.js';
import { LEASE_MS, type FaultWorld } from './world.js';

/** Three looks for the dead in each lease, see heartbeat.ts. */
export const REAP_INTERVAL_MS = LEASE_MS / 3;
/** What a loaded machine may add to a time that is promised: processes wait for a processor, servers for the disk. */
export const LOAD_MS = 3000;

interface Kill {
  pid: number;
  at: number;
  held: ReadonlySet<string>;
}

export interface Recovery {
  /** What all of the killed held together. */
  held: number;
  /** Runs that repeated an earlier one. */
  duplicates: number;
  /** The longest time from a kill to the first run of something that had been held. */
  recoveryMs: number;
}

export class KillLog {
  readonly #world: FaultWorld;
  readonly #kills: Kill[] = [];

  constructor(world: FaultWorld) {
    this.#world = world;
  }

  /** SIGKILL; then looks at what it held, before anybody can have taken it. */
  async kill(consumer: ConsumerProcess): Promise<void> {
    const id = consumer.consumer;
    assert.ok(id, 'a consumer whose start was awaited');
    await consumer.kill();
    const at = Date.now();
    const held = await (await this.#world.storage()).heldIds(id);
    this.#kills.push({ pid: consumer.pid, at, held: new Set(held) });
  }

  /**
   * Once everything has ended: only what a killed consumer held ran again, and it began to within the lease and the
   * interval of the looks for the dead. `from`: that time runs from then on, because nobody was there before.
   */
  async check({ from = 0 }: { from?: number } = {}): Promise<Recovery> {
    let duplicates = 0;
    for (const [id, runs] of this.#world.journal.byId()) {
      for (const run of runs.slice(0, -1)) {
        duplicates += 1;
        const kill = this.#kills.find(({ pid }) => pid === run.pid);
        assert.ok(kill?.held.has(id), `task ${id} ran in process ${run.pid}, which was not killed while it held it, and ran again`);
      }
    }
    const waits = this.#kills.flatMap(({ at, held }) => {
      const again = this.#world.journal.runs().find((run) => held.has(run.id) && run.at >= at);
      return again === undefined ? [] : [again.at - Math.max(at, from)];
    });
    const recoveryMs = Math.max(0, ...waits);
    const promisedMs = LEASE_MS + REAP_INTERVAL_MS + LOAD_MS;
    assert.ok(recoveryMs <= promisedMs, `what was held began to run again after ${recoveryMs} ms, and not within ${promisedMs} ms`);
    return { held: this.#kills.reduce((sum, { held }) => sum + held.size, 0), duplicates, recoveryMs };
  }

  /** When the first run after this instant began. @throws Error where there was none */
  firstRunAfter(at: number): number {
    const run = this.#world.journal.runs().find((one) => one.at >= at);
    if (run === undefined) throw new Error('nothing ran after that');
    return run.at;
  }
}
