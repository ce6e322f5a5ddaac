/**
 * Random walks of three consumers over one queue: whatever they do, and whichever calls they repeat, every task that
 * was enqueued ends exactly once, the counts add up at every step, and no key has more in flight than it may.
 */
import assert from 'node:assert/strict';
import { encodeRecord } from '../../src/runtime/completion.js';
import { decodeHead, idOf } from '../../src/runtime/message.js';
import type { StepReply, Transition } from '../../src/runtime/storage.js';
import { randomSeed } from '../support/seed.js';
import type { Checks } from './conformance.js';
import { done, idsOf, message, textsOf, type Consumer, type World } from './world.js';

const STEPS = 250;
const CONSUMERS = 3;
/** Of each key. */
const SLOTS = 2;

export function describeWalk({ check }: Checks): void {
  check('ends every task once, however the walk goes', async (world, t) => {
    const walk = new Walk(world, mulberry32(randomSeed(t)));
    await walk.start();
    for (let n = 0; n < STEPS; n++) await walk.step();
    await walk.drain();
    assert.deepEqual([...walk.ended.keys()].sort(), [...walk.enqueued].sort(), 'every task has ended');
    assert.ok(
      [...walk.ended.values()].every((times) => times === 1),
      'none has ended twice',
    );
    const records = await world.storage.readResults([...walk.enqueued]);
    assert.ok(records.every((record) => record !== undefined));
    const { ready, scheduled, running } = await world.storage.counts();
    assert.deepEqual({ ready, scheduled, running }, { ready: 0, scheduled: 0, running: 0 });
  });
}

interface Life {
  consumer: Consumer;
  /** id -> message */
  held: Map<string, string>;
  /** receipt -> ids of the chunk that came with it */
  packs: Map<string, string[]>;
}

class Walk {
  readonly enqueued = new Set<string>();
  /** id -> how often an end of it was committed. */
  readonly ended = new Map<string, number>();
  readonly #world: World;
  readonly #random: () => number;
  readonly #consumers: Life[] = [];
  #lives = 0;
  #ids = 0;
  #buried = 0;

  constructor(world: World, random: () => number) {
    this.#world = world;
    this.#random = random;
  }

  async start(): Promise<void> {
    for (let n = 0; n < CONSUMERS; n++) this.#consumers.push(await this.#newLife());
  }

  async step(): Promise<void> {
    const dice = this.#random();
    if (dice < 0.25) await this.#enqueue();
    else if (dice < 0.85) await this.#work();
    else if (dice < 0.92) await this.#world.storage.promote(this.#below(5));
    else if (dice < 0.96) await this.#leave();
    else await this.#stranger();
    const { ready, scheduled, running, dead } = await this.#world.storage.counts();
    assert.equal(ready + scheduled + running + this.ended.size, this.enqueued.size, 'each task is in one place or has ended');
    assert.equal(dead, this.#buried);
    this.#checkKeys();
  }

  /** No slot is given twice. */
  #checkKeys(): void {
    const taken = new Map<string, number>();
    for (const text of this.#consumers.flatMap(({ held }) => [...held.values()])) {
      const { slot } = decodeHead(text);
      if (slot !== undefined) taken.set(slot.key, (taken.get(slot.key) ?? 0) + 1);
    }
    for (const [key, count] of taken) assert.ok(count <= SLOTS, `${count} have a slot of ${key}`);
  }

  async drain(): Promise<void> {
    for (const { consumer } of this.#consumers) await this.#world.storage.unregister(consumer.id);
    const { consumer } = await this.#newLife();
    await this.#world.until(async () => {
      await this.#world.storage.promote(1000);
      const reply = await consumer.step({ chunks: 3, chunkSize: 100, solo: true });
      const texts = all(reply);
      const { committed } = await consumer.finish(...texts.map((text) => idOf(text)));
      assert.equal(committed, texts.length);
      texts.forEach((text) => this.#noteEnd(idOf(text)));
      return this.ended.size >= this.enqueued.size;
    });
  }

  async #enqueue(): Promise<void> {
    const items = Array.from({ length: 1 + this.#below(8) }, () => {
      const id = `w${this.#ids++}`;
      const keyed = this.#random() < 0.5 ? { slot: { key: `k${this.#below(3)}`, limit: SLOTS } } : {};
      const text = message(id, { priority: this.#below(3) - 1, lapses: this.#random() < 0.15 ? 2 : 0, ...keyed });
      this.enqueued.add(id);
      return this.#random() < 0.3 ? { text, delayMs: this.#below(200) } : { text };
    });
    await this.#world.storage.enqueue(items);
    if (this.#random() < 0.3) assert.equal((await this.#world.storage.enqueue(items)).duplicates.length, items.length);
  }

  /** Commits some of what is held, takes more; now and then the reply is lost and the call repeated. */
  async #work(): Promise<void> {
    const { consumer, held, packs } = this.#any();
    const ends = [...held].filter(() => this.#random() < 0.5);
    const completions: Uint8Array[] = [];
    const transitions: Transition[] = [];
    for (const [id, text] of ends) {
      const dice = this.#random();
      if (dice < 0.5) {
        completions.push(done(id));
        this.#noteEnd(id);
      } else transitions.push(this.#transition(id, text, dice));
    }
    const receipts = completions.map(() => undefined as string | undefined);
    const [receipt, whole] = [...packs].find(([, ids]) => ids.every((id) => held.has(id) && !ends.some(([end]) => end === id))) ?? [];
    if (whole !== undefined && this.#random() < 0.5) {
      completions.push(Buffer.concat(whole.map((id) => done(id))));
      receipts.push(receipt);
      for (const id of whole) {
        ends.push([id, '']);
        this.#noteEnd(id);
      }
    }
    const [chunks, chunkSize] = this.#random() < 0.2 ? [1, 30] : [this.#below(4), 1 + this.#below(5)];
    const call = consumer.call({ completions, receipts, transitions, chunks, chunkSize, solo: this.#random() < 0.5 });
    let reply = await this.#world.storage.step(call);
    if (this.#random() < 0.3) {
      const again = await this.#world.storage.step(call);
      assert.deepEqual(all(again), all(reply));
      reply = again;
    }
    assert.deepEqual([reply.committed, reply.refused], [ends.length, 0]);
    for (const [id] of ends) held.delete(id);
    for (const text of all(reply)) held.set(idOf(text), text);
    for (const chunk of reply.chunks) if (chunk.receipt !== undefined) packs.set(chunk.receipt, idsOf({ ...reply, chunks: [chunk] }));
    assert.equal(reply.held, held.size);
  }

  #transition(id: string, text: string, dice: number): Transition {
    if (dice < 0.8) {
      const at = this.#random() < 0.5 ? 'head' : 'tail';
      return { kind: 'requeue', id, text, delayMs: this.#random() < 0.3 ? this.#below(200) : 0, at };
    }
    this.#noteEnd(id);
    if (dice < 0.9) {
      this.#buried++;
      return { kind: 'bury', id, text, reason: 'walk', record: encodeRecord('dead', '{}'), ttlSeconds: 100 };
    }
    const next = `w${this.#ids++}`;
    this.enqueued.add(next);
    const { priority, slot } = decodeHead(text);
    return {
      kind: 'settle',
      id,
      record: encodeRecord('failed', '{}'),
      ttlSeconds: 100,
      effects: { enqueue: [{ text: message(next, { priority, ...(slot === undefined ? {} : { slot }) }) }] },
    };
  }

  async #leave(): Promise<void> {
    const place = this.#below(CONSUMERS);
    const one = this.#consumers[place];
    if (one !== undefined) await this.#world.storage.unregister(one.consumer.id);
    this.#consumers[place] = await this.#newLife();
  }

  /** Commits of what somebody else holds. */
  async #stranger(): Promise<void> {
    const { consumer, held } = this.#any();
    const foreign = this.#consumers.flatMap((other) => (other.held === held ? [] : [...other.held.keys()]));
    const { committed, refused } = await consumer.finish(...foreign);
    assert.deepEqual([committed, refused], [0, foreign.length]);
  }

  async #newLife(): Promise<Life> {
    return { consumer: await this.#world.consumer(`life${this.#lives++}`), held: new Map(), packs: new Map() };
  }

  #noteEnd(id: string): void {
    this.ended.set(id, (this.ended.get(id) ?? 0) + 1);
  }

  #any(): Life {
    const one = this.#consumers[this.#below(CONSUMERS)];
    assert.ok(one !== undefined);
    return one;
  }

  #below(limit: number): number {
    return Math.floor(this.#random() * limit);
  }
}

function all(reply: StepReply): string[] {
  return reply.solo === undefined ? textsOf(reply) : [reply.solo, ...textsOf(reply)];
}

/** A small random generator that starts from a seed. */
function mulberry32(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
