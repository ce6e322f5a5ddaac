/**
 * One history, done to a storage and to its model side by side. Duties:
 *  1. make the calls that the commands mean (meaning.ts);
 *  2. compare its reply with what the model promises;
 *  3. after each command compare all that can be read: places, texts, records, marks, counts;
 *  4. at the end let one consumer finish what is left: nothing may be stranded.
 */
import assert from 'node:assert/strict';
import { CANCEL_REASON } from '../../../src/runtime/canceling.js';
import { encodeRecord } from '../../../src/runtime/completion.js';
import { ConsumerReaped, StorageRefused } from '../../../src/runtime/errors.js';
import { decodeHead, idOf, withHead } from '../../../src/runtime/message.js';
import type { MarkTarget, Place, StepCall, StepReply, Transition } from '../../../src/runtime/storage.js';
import { Consumer, done, idsOf, textsOf, type World } from '../world.js';
import { CONSUMERS, LIMITS, TASKS, type Command, type ItemSpec } from './commands.js';
import { HOUR_MS, keyOf, Meaning, SOON_MS } from './meaning.js';
import { QueueModel } from './queue-model.js';
import { isSuspect } from './rules.js';

const LEASE_MS = 60_000;
/** Of the one that falls silent; its death is noticed between two heartbeats of another. */
const SHORT_LEASE_MS = 50;
/** Ids are known for a day; a history ends before. */
const HOURS_MAX = 20;
const ROUNDS_MAX = 100;
const ALL = 10_000;

export class ModelWalk {
  readonly #world: World;
  readonly #model = new QueueModel();
  readonly #meaning = new Meaning();
  readonly #consumers: Consumer[] = [];
  /** receipt -> ids of the chunk that came with it */
  readonly #chunks = new Map<string, string[]>();
  #lives = 0;
  #hours = 0;
  #before = 0;
  /** What was ended where it was ready: SQLite keeps the empty row, and counts it, until somebody comes upon it. */
  #holes = 0;

  constructor(world: World) {
    this.#world = world;
  }

  async run(history: readonly Command[]): Promise<void> {
    await this.#lookAtClock();
    for (let n = 0; n < CONSUMERS; n++) await this.#enter(n);
    for (const command of history) {
      this.#before = this.#model.now;
      await this.#do(command);
      await this.#compare();
    }
    await this.#finish();
  }

  async #do(command: Command): Promise<void> {
    const { storage } = this.#world;
    const model = this.#model;
    switch (command.do) {
      case 'enqueue':
        return this.#enqueue(command.items, command.repeat);
      case 'step':
        return this.#step(command);
      case 'promote':
        return this.#promote(command.limit);
      case 'release': {
        const ids = command.tasks.map((task) => this.#heldId(task));
        const own = new Set(ids.filter((id) => model.heldBy(this.#who(command.who).id).includes(id)));
        assert.equal(await storage.release(this.#who(command.who).id, ids), own.size);
        return model.giveBack([...own], false);
      }
      case 'leave':
        return this.#leave(command.who);
      case 'die':
        return this.#die(command.who, command.how);
      case 'cancel':
        return this.#cancel(this.#someId(command.id), command.end);
      case 'withdraw':
        assert.equal(await storage.withdrawCancel(this.#someId(command.id)), model.withdraw(this.#someId(command.id)));
        return;
      case 'revoke': {
        const target = this.#target(command.on, command.n);
        const mark = { once: command.once, untilMs: 0 };
        await storage.revoke(target, mark);
        return model.setMark(target, mark);
      }
      case 'restore': {
        const target = this.#target(command.on, command.n);
        assert.equal(await storage.restore(target), model.mark(target) !== undefined);
        return model.setMark(target, undefined);
      }
      case 'retryDead':
        assert.equal(await storage.retryDead(this.#someId(command.id)), model.retryDead(this.#someId(command.id)));
        return;
      case 'dropDead':
        assert.equal(await storage.dropDead(this.#someId(command.id)), model.dead.delete(this.#someId(command.id)));
        return;
      case 'removeResult':
        await storage.removeResults([this.#someId(command.id)]);
        return model.removeValue(this.#someId(command.id));
      case 'flush':
        await storage.flush();
        this.#meaning.epoch += 1;
        return model.flush();
      case 'passHour':
        if (this.#world.fixture.advance === undefined || this.#hours++ >= HOURS_MAX) return;
        await this.#world.pass(HOUR_MS);
        return this.#lookAtClock();
    }
  }

  async #enqueue(specs: readonly ItemSpec[], repeat: boolean): Promise<void> {
    const items = specs.map((spec) => this.#meaning.item(spec));
    for (let n = 0; n < (repeat ? 2 : 1); n++) {
      const reply = await this.#world.storage.enqueue(items);
      await this.#lookAtClock();
      assert.deepEqual(reply, this.#model.enqueue(items));
    }
  }

  async #step({ who, ends, all, chunks, size, solo, handOver, repeat }: Extract<Command, { do: 'step' }>): Promise<void> {
    const consumer = this.#who(who);
    const completed: string[] = [];
    const transitions: Transition[] = [];
    for (const end of ends) {
      const id = this.#heldId(end.task);
      if (end.how === 'done') completed.push(id);
      else transitions.push(this.#meaning.transition(id, this.#model.messages.get(id)?.text, end));
    }
    if (all) completed.push(...this.#model.heldBy(consumer.id).filter((id) => !transitions.some((move) => move.id === id)));
    const call = consumer.call({ ...this.#bundled(completed), transitions, chunks, chunkSize: size, solo, handOver });
    let reply = await this.#world.storage.step(call);
    await this.#lookAtClock();
    if (repeat) {
      const again = await this.#world.storage.step(call);
      assert.deepEqual(namesOf(again), namesOf(reply), 'a repeat gets the same reply');
      await assert.rejects(this.#world.storage.step({ ...call, seq: call.seq - 1 }), call.seq > 1 ? StorageRefused : Error);
      reply = again;
    }
    const committed = this.#model.commit(call, completed);
    assert.deepEqual(
      [reply.committed, reply.refused],
      [committed, completed.length + transitions.length - committed],
      'committed and refused',
    );
    this.#checkShare(call, reply);
    // What the call itself has brought in may be leased by it at once.
    for (const text of [...textsOf(reply), reply.solo, ...reply.dropped.map((one) => one.text)])
      if (text !== undefined) this.#learnExpiry(text);
    this.#model.lease(call, reply);
    for (const chunk of reply.chunks)
      if (chunk.receipt !== undefined) this.#chunks.set(chunk.receipt, idsOf({ ...reply, chunks: [chunk] }));
    assert.equal(await this.#world.held(), this.#model.idsAt('held').length, 'what consumers hold');
    this.#checkLeft(call, reply);
  }

  /** Completions one by one, but for the chunks that are whole in them: those in one piece, with the receipt of each. */
  #bundled(ids: readonly string[]): Pick<StepCall, 'completions'> & { receipts: (string | undefined)[] } {
    const rest = [...ids];
    const completions: Uint8Array[] = [];
    const receipts: string[] = [];
    for (const [receipt, members] of this.#chunks) {
      if (!members.every((id) => rest.includes(id))) continue;
      completions.push(Buffer.concat(members.map((id) => done(id))));
      receipts.push(receipt);
      for (const id of members) rest.splice(rest.indexOf(id), 1);
    }
    return { completions: [...completions, ...rest.map((id) => done(id))], receipts };
  }

  /** Before the model has leased: how many, and of which priority. Who has a key may have to wait for a slot, whatever its turn. */
  #checkShare({ chunks, chunkSize, solo }: StepCall, reply: StepReply): void {
    const model = this.#model;
    const ready = model.idsAt('ready').map((id) => model.head(id));
    const beside = ready.filter((head) => !isSuspect(head));
    const taken = [...idsOf(reply), ...reply.dropped.map(({ id }) => id)].filter((id) => !isSuspect(model.head(id)));
    const share = Math.min(chunks * chunkSize, Math.max(1, Math.ceil((beside.length + this.#holes) / model.consumers.size)), beside.length);
    assert.ok(taken.length <= share, `${taken.length} were taken where ${share} are a fair share`);
    assert.ok(reply.chunks.length <= chunks && reply.chunks.every(({ count }) => count <= chunkSize));
    assert.ok(
      idsOf(reply).every((id) => !isSuspect(model.head(id))),
      'a suspect comes alone',
    );
    if (reply.solo !== undefined) assert.ok(solo && isSuspect(decodeHead(reply.solo)));
    if (this.#holes > 0 || beside.some(({ slot }) => slot !== undefined)) return;
    assert.equal(taken.length, share);
    assert.equal(reply.left, beside.length - share);
    const rest = beside.filter(({ id }) => !taken.includes(id)).map(({ priority }) => priority);
    const least = Math.min(...taken.map((id) => model.head(id).priority));
    assert.ok(
      rest.every((priority) => priority <= least),
      'higher priorities first',
    );
  }

  /** After it: nothing that could start was passed over, and nobody waits for a slot that is free. */
  #checkLeft({ chunks, solo }: StepCall, reply: StepReply): void {
    const model = this.#model;
    const rest = model.idsAt('ready').map((id) => model.head(id));
    if (chunks > 0 && solo && reply.solo === undefined) {
      assert.deepEqual(
        rest.filter((head) => isSuspect(head) && head.slot === undefined),
        [],
        'a suspect could have been leased',
      );
    }
    for (const [n, limit] of LIMITS.entries()) {
      const key = keyOf(n);
      assert.ok(model.taken(key) <= limit, `${key} has ${model.taken(key)} in flight`);
      const waiting = rest.filter(({ slot }) => slot?.key === key);
      if (chunks === 0 || reply.left > 0 || waiting.length === 0 || waiting.some(isSuspect)) continue;
      assert.equal(model.taken(key), limit, `${key} has a slot, and who waits for it`);
    }
  }

  async #promote(limit: number): Promise<void> {
    const model = this.#model;
    const soon = model.now + SOON_MS;
    await this.#world.until(async () => (await this.#world.now()) >= soon);
    await this.#lookAtClock();
    const scheduled = model.idsAt('scheduled');
    const due = scheduled.filter((id) => {
      const place = model.messages.get(id)?.place;
      return place?.at === 'scheduled' && place.dueAt <= model.now;
    });
    const reply = await this.#world.storage.promote(limit);
    assert.equal(reply.promoted, Math.min(limit, due.length));
    assert.equal(reply.nextDueAt === undefined, scheduled.length === reply.promoted);
    const left = new Set((await this.#world.storage.list('scheduled', ALL)).map(({ text }) => idOf(text)));
    model.promote(scheduled.filter((id) => !left.has(id)));
  }

  async #leave(n: number): Promise<void> {
    const { id } = this.#who(n);
    await this.#world.storage.unregister(id);
    this.#model.giveBack(this.#model.heldBy(id), false);
    this.#model.consumers.delete(id);
    await this.#enter(n);
  }

  async #die(n: number, how: 'lease' | 'instance'): Promise<void> {
    const { storage } = this.#world;
    const victim = this.#who(n);
    const held = this.#model.heldBy(victim.id);
    const next = `life${this.#lives++}`;
    if (how === 'instance') {
      const name = `name-${this.#lives}`;
      assert.equal((await storage.register(victim.id, LEASE_MS, { name, takeOver: true })).former, undefined);
      const { former } = await storage.register(next, LEASE_MS, { name, takeOver: true });
      assert.deepEqual(former, { consumer: victim.id, tasks: held.length });
    } else {
      await storage.register(next, LEASE_MS);
      for (const { id } of this.#consumers) await storage.beat(id, id === victim.id ? 1 : LEASE_MS);
      const reply = await this.#world.until(async () => {
        await storage.beat(next, LEASE_MS);
        const looked = await storage.reap(SHORT_LEASE_MS);
        return looked.consumers.length > 0 && looked;
      });
      assert.deepEqual([reply.consumers, reply.tasks], [[victim.id], held.length]);
    }
    await assert.rejects(victim.take(), ConsumerReaped);
    this.#model.giveBack(held, true);
    this.#model.consumers.delete(victim.id);
    this.#model.consumers.add(next);
    this.#consumers[n] = new Consumer(storage, next);
  }

  async #cancel(id: string, end: boolean): Promise<void> {
    const { storage } = this.#world;
    const model = this.#model;
    assert.equal(await storage.cancel(id), model.cancel(id));
    if (!end) return;
    const kept = model.messages.get(id);
    const waits = kept !== undefined && kept.place.at !== 'held';
    const found = await storage.findWaiting(id);
    assert.equal(found?.text, waits ? kept.text : undefined);
    if (found === undefined) return;
    const record = encodeRecord('canceled', JSON.stringify({ reason: CANCEL_REASON }));
    for (const ended of [true, false]) {
      assert.equal(await storage.endWaiting(found, { kind: 'settle', id, record, ttlSeconds: 100 }), ended);
    }
    await this.#lookAtClock();
    if (kept?.place.at === 'ready') this.#holes += 1;
    model.messages.delete(id);
    model.settle(id, record, 100);
  }

  /** All that can be read of the queue, against the model. */
  async #compare(): Promise<void> {
    const { storage } = this.#world;
    const model = this.#model;
    const [counts, ready, scheduled, running, dead] = await Promise.all([
      storage.counts(),
      ...(['ready', 'scheduled', 'running', 'dead'] satisfies Place[]).map((place) => storage.list(place, ALL)),
    ]);
    for (const [list, at] of [
      [ready, 'ready'],
      [scheduled, 'scheduled'],
      [running, 'held'],
    ] as const) {
      const texts = (list ?? []).map(({ text }) => text);
      texts.forEach((text) => this.#learnExpiry(text));
      assert.deepEqual(
        texts.toSorted(),
        model
          .idsAt(at)
          .map((id) => model.messages.get(id)?.text)
          .toSorted(),
        `what is ${at}`,
      );
    }
    assert.deepEqual(
      (dead ?? []).map(({ id, text, reason }) => [id, text, reason]).toSorted(),
      [...model.dead].map(([id, { text, reason }]) => [id, text, reason]).toSorted(),
    );
    const sizes = { ready: model.idsAt('ready').length, scheduled: model.idsAt('scheduled').length, running: model.idsAt('held').length };
    assert.deepEqual(counts, { ...sizes, dead: model.dead.size, consumers: model.consumers.size });
    for (const { id } of this.#consumers) assert.deepEqual((await storage.heldIds(id)).toSorted(), model.heldBy(id).toSorted());
    const ids = [...this.#meaning.ids];
    assert.deepEqual(
      await storage.readResults(ids),
      ids.map((id) => model.record(id)),
      `records of ${ids.join(' ')}`,
    );
    const targets = [...ids.map((id) => ({ id })), ...Array.from({ length: TASKS }, (_, n) => this.#target('task', n))];
    const marks = await Promise.all(targets.map((target) => storage.readMark(target)));
    assert.deepEqual(
      marks,
      targets.map((target) => model.mark(target)),
      'marks',
    );
  }

  /** A relative expiry became absolute at an instant of the storage's own, between two looks at its clock. */
  #learnExpiry(text: string): void {
    const kept = this.#model.messages.get(idOf(text));
    if (kept === undefined || kept.text === text) return;
    const { expiresAt } = decodeHead(text);
    const head = decodeHead(kept.text);
    const earlyMs = head.expiresAt - expiresAt;
    if (earlyMs > 0 && earlyMs <= this.#model.now - this.#before) kept.text = withHead(kept.text, { ...head, expiresAt });
  }

  /** One that is left alone finishes everything that is due. */
  async #finish(): Promise<void> {
    const model = this.#model;
    for (const { id } of this.#consumers.splice(1)) {
      await this.#world.storage.unregister(id);
      model.giveBack(model.heldBy(id), false);
      model.consumers.delete(id);
    }
    await this.#promote(ALL);
    for (let rounds = 0; model.idsAt('ready').length + model.idsAt('held').length > 0; rounds++) {
      assert.ok(rounds < ROUNDS_MAX, `nobody ever gets ${model.idsAt('ready').join(' ')}`);
      const ends = model.idsAt('held').map((_, task) => ({ task, how: 'done' as const }));
      await this.#step({ do: 'step', who: 0, ends, all: false, chunks: 3, size: 50, solo: true, handOver: false, repeat: false });
    }
    await this.#compare();
  }

  async #enter(n: number): Promise<void> {
    const consumer = await this.#world.consumer(`life${this.#lives++}`);
    this.#consumers[n] = consumer;
    this.#model.consumers.add(consumer.id);
  }

  async #lookAtClock(): Promise<void> {
    this.#model.now = await this.#world.now();
  }

  /** Of what waits, is in flight or dead; behind the last one others. */
  #someId(n: number): string {
    const there = [...this.#model.messages.keys(), ...this.#model.dead.keys()];
    return there[n % (there.length + 2)] ?? this.#meaning.id(n);
  }

  #target(on: 'id' | 'task', n: number): MarkTarget {
    return on === 'id' ? { id: this.#someId(n) } : { task: `job${n % TASKS}` };
  }

  #who(n: number): Consumer {
    const consumer = this.#consumers[n % this.#consumers.length];
    assert.ok(consumer !== undefined);
    return consumer;
  }

  /** Of what is in flight of anybody; behind the last one somebody that is not. */
  #heldId(n: number): string {
    const held = this.#model.idsAt('held');
    return held[n % (held.length + 1)] ?? 'nobody';
  }
}

function namesOf(reply: StepReply): unknown {
  const { solo, committed, refused } = reply;
  return { texts: textsOf(reply), solo, committed, refused, dropped: reply.dropped };
}
