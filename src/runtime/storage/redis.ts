/**
 * The storage on Redis (6.2 and later, Valkey). Duties:
 *  1. each verb of the contract as one call of a script;
 *  2. waiting for work on a connection of its own;
 *  3. telling, over a third one, who has ended and what was scheduled.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { decodeRecord } from '../completion.js';
import { StorageRefused } from '../errors.js';
import { checkName } from '../message.js';
import { DAY_MS } from '../limits.js';
import type {
  BeatReply,
  Counts,
  Dropped,
  EnqueueItem,
  EnqueueReply,
  Mark,
  MarkTarget,
  PromoteReply,
  ReapReply,
  StepCall,
  StepReply,
  Storage,
  StorageEvents,
  TickCall,
  Transition,
} from '../storage.js';
import { checkConsumer, checkCount, checkLease, checkMark, checkStepCall, checkTarget, checkTransition, checkWhen } from './checks.js';
import { RedisConnection, translate, type RedisArgument, type RedisSpec } from './redis-connection.js';
import { RedisKeys } from './redis-keys.js';
import type { ScriptName } from './redis-scripts.js';
import { RedisSubscriptions } from './redis-subscriptions.js';

/** How much later than asked a blocked read may answer before its connection counts as lost. */
const WAIT_GRACE_MS = 2000;
/** Where the server refuses to move messages (out of memory), look this often instead. */
const POLL_MS = 100;
const ID_MARK_LIFE_MS = 30 * DAY_MS;

export class RedisStorage implements Storage {
  readonly kind = 'redis';
  readonly address: string;
  readonly #keys: RedisKeys;
  readonly #commands: RedisConnection;
  readonly #blocking: RedisConnection;
  readonly #subscriptions: RedisSubscriptions;
  #events: StorageEvents = {};
  #outage = false;
  #blockingClientId: number | undefined;

  constructor(queue: string, spec: RedisSpec) {
    this.#keys = new RedisKeys(queue);
    this.address = describe(spec);
    this.#commands = new RedisConnection(spec, {
      onLost: (error) => this.#noteOutage(true, error),
      onReady: () => this.#noteOutage(false),
    });
    this.#blocking = new RedisConnection(spec);
    this.#subscriptions = new RedisSubscriptions(new RedisKeys(queue), spec, () => this.#events);
  }

  async open(): Promise<void> {
    await this.#commands.run((client) => client.ping());
  }

  async close(): Promise<void> {
    this.#commands.close();
    this.#blocking.close();
    this.#subscriptions.close();
    return Promise.resolve();
  }

  listen(events: StorageEvents): void {
    this.#events = events;
    if (events.onScheduled) this.#subscriptions.watchControl();
  }

  async enqueue(items: readonly EnqueueItem[]): Promise<EnqueueReply> {
    const args: string[] = [];
    for (const item of items) args.push(item.text, whenOf(item));
    if (args.length === 0) return { duplicates: [] };
    return { duplicates: (await this.#call('hueyEnqueue', ...args)) as number[] };
  }

  async readResults(ids: readonly string[]): Promise<(ReturnType<typeof decodeRecord> | undefined)[]> {
    if (ids.length === 0) return [];
    const records = (await this.#call('hueyReadResults', ...ids)) as string[];
    return records.map((record) => (record === '' ? undefined : decodeRecord(record)));
  }

  async removeResults(ids: readonly string[]): Promise<void> {
    if (ids.length > 0) await this.#call('hueyRemoveResults', ...ids);
  }

  async watch(ids: readonly string[]): Promise<void> {
    await this.#subscriptions.watch(ids);
  }

  unwatch(ids: readonly string[]): void {
    this.#subscriptions.unwatch(ids);
  }

  async revoke(target: MarkTarget, mark: Mark): Promise<void> {
    const longest = 'id' in target ? ID_MARK_LIFE_MS : 0;
    await this.#call('hueyRevoke', fieldOf(target), checkMark(mark).untilMs, mark.once ? 1 : 0, longest);
  }

  async restore(target: MarkTarget): Promise<boolean> {
    return (await this.#call('hueyReadMark', fieldOf(target), 1)) !== '';
  }

  async readMark(target: MarkTarget): Promise<Mark | undefined> {
    const mark = (await this.#call('hueyReadMark', fieldOf(target), 0)) as string;
    return mark === '' ? undefined : { untilMs: Number(mark.slice(0, 13)), once: mark.charAt(13) === '1' };
  }

  async counts(): Promise<Counts> {
    const p = this.#keys.prefix;
    return this.#commands.run(async (client) => {
      const consumers = await client.zrange(`${p}consumers`, '0', '-1');
      const [ready, suspects, hi, lo, scheduled, dead, ...held] = await Promise.all([
        client.llen(`${p}ready`),
        client.llen(`${p}suspects`),
        client.zcard(`${p}hi`),
        client.zcard(`${p}lo`),
        client.zcard(`${p}scheduled`),
        client.hlen(`${p}dead`),
        ...consumers.map((consumer) => client.hlen(this.#keys.inflight(consumer))),
      ]);
      // A ring stands in the list like a message; it never stands beside one for long.
      const rings = ready > 0 && (await client.lindex(`${p}ready`, 0)) === '' ? 1 : 0;
      const running = held.reduce((sum, count) => sum + count, 0);
      return { ready: ready - rings + suspects + hi + lo, scheduled, running, dead, consumers: consumers.length };
    });
  }

  async register(consumer: string, leaseMs: number): Promise<{ now: number }> {
    return { now: Number(await this.#call('hueyRegister', checkConsumer(consumer), checkLease(leaseMs))) };
  }

  async step(call: StepCall): Promise<StepReply> {
    return readStep(await this.#call('hueyStep', ...stepArguments(call)));
  }

  async waitAndStep(call: StepCall, waitMs: number): Promise<StepReply> {
    // For Redis a wait of 0 is a wait for ever.
    if (waitMs <= 0) return this.step(call);
    const ready = this.#keys.ready;
    const landing = this.#keys.landing(call.consumer);
    // Each command has its own reply; the step runs in the server as soon as the move is through or has given up.
    let refused: unknown;
    const reply = await this.#blocking
      .run(async (client) => {
        this.#blockingClientId ??= await client.client('ID');
        const moved = client.blmove(ready, landing, 'LEFT', 'RIGHT', waitMs / 1000);
        const step = (client as unknown as Record<ScriptName, (key: string, ...args: RedisArgument[]) => Promise<unknown>>).hueyStep(
          ready,
          this.#keys.prefix,
          ...stepArguments(call),
        );
        const [move, stepped] = await Promise.allSettled([moved, step]);
        if (move.status === 'rejected') refused = move.reason;
        if (stepped.status === 'rejected') throw stepped.reason;
        return readStep(stepped.value);
      }, waitMs + WAIT_GRACE_MS)
      .catch((error: unknown) => {
        this.#blockingClientId = undefined;
        throw error;
      });
    if (refused !== undefined && !translate(refused).message.includes('UNBLOCKED')) await sleep(POLL_MS);
    return reply;
  }

  interrupt(): void {
    const id = this.#blockingClientId;
    if (id === undefined) return;
    this.#commands.run((client) => client.client('UNBLOCK', id)).catch(() => this.#blocking.replace());
  }

  async beat(consumer: string, leaseMs: number): Promise<BeatReply> {
    const [now, held, landing] = (await this.#call('hueyBeat', consumer, checkLease(leaseMs))) as number[];
    return { now: now ?? 0, held: held ?? 0, landing: landing ?? 0 };
  }

  async heldIds(consumer: string): Promise<string[]> {
    return this.#commands.run((client) => client.hkeys(this.#keys.inflight(consumer)));
  }

  async release(consumer: string, ids: readonly string[]): Promise<number> {
    return Number(await this.#call('hueyRelease', consumer, ...ids));
  }

  async unregister(consumer: string): Promise<void> {
    await this.#call('hueyUnregister', consumer);
  }

  async reap(leaseMs: number): Promise<ReapReply> {
    const [now, tasks, dead, ...consumers] = (await this.#call('hueyReap', checkLease(leaseMs))) as [number, number, number, ...string[]];
    return { now, tasks, dead, consumers };
  }

  async promote(limit: number): Promise<PromoteReply> {
    const [now, promoted, next] = (await this.#call('hueyPromote', checkCount('limit', limit))) as [number, number, string];
    return { now, promoted, nextDueAt: next === '' ? undefined : Number(next) };
  }

  async tick(call: TickCall): Promise<boolean> {
    checkName(call.task);
    return (await this.#call('hueyTick', call.task, checkCount('minuteMs', call.minuteMs), call.text)) === 1;
  }

  async lastTicks(tasks: readonly string[]): Promise<(number | undefined)[]> {
    if (tasks.length === 0) return [];
    const minutes = await this.#commands.run((client) => client.hmget(`${this.#keys.prefix}ticks`, ...tasks));
    return minutes.map((minute) => (minute === null ? undefined : Number(minute)));
  }

  async skipTicks(tasks: readonly string[], minuteMs: number): Promise<void> {
    await this.#call('hueySkipTicks', checkCount('minuteMs', minuteMs), ...tasks);
  }

  async dead(limit: number): Promise<{ id: string; text: string; reason: string; at: number }[]> {
    const p = this.#keys.prefix;
    return this.#commands.run(async (client) => {
      const ids = await client.zrevrange(`${p}dead-at`, 0, limit - 1);
      if (ids.length === 0) return [];
      const values = await client.hmget(`${p}dead`, ...ids);
      return values.flatMap((value, i) => {
        const id = ids[i];
        if (value === null || id === undefined) return [];
        const lineEnd = value.indexOf('\n');
        return [{ id, text: value.slice(lineEnd + 1), reason: value.slice(13, lineEnd), at: Number(value.slice(0, 13)) }];
      });
    });
  }

  async #call(name: ScriptName, ...args: RedisArgument[]): Promise<unknown> {
    return this.#commands.script(name, this.#keys.ready, [this.#keys.prefix, ...args]);
  }

  #noteOutage(lost: boolean, error?: Error): void {
    if (lost === this.#outage) return;
    this.#outage = lost;
    this.#events.onOutage?.(lost, error);
  }
}

/** The messages themselves are looked at by the script. */
function whenOf(item: EnqueueItem): string {
  const { delayMs, etaMs } = checkWhen(item);
  if (etaMs !== undefined) return `a${Math.floor(etaMs)}`;
  return delayMs > 0 ? `d${Math.ceil(delayMs)}` : '';
}

function fieldOf(target: MarkTarget): string {
  checkTarget(target);
  return 'id' in target ? `i:${target.id}` : `t:${target.task}`;
}

/** ARGV of the step script, without the prefix. */
function stepArguments(call: StepCall): RedisArgument[] {
  checkStepCall(call);
  const args: RedisArgument[] = [call.consumer, call.lane, call.seq, call.chunks, call.chunkSize, call.solo ? 1 : 0];
  args.push(call.completions.length);
  for (const bytes of call.completions) args.push(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength));
  for (const transition of call.transitions) args.push(...transitionArguments(transition));
  return args;
}

function transitionArguments(move: Transition): RedisArgument[] {
  checkTransition(move);
  switch (move.kind) {
    case 'settle': {
      const items = move.enqueue ?? [];
      return ['S', move.id, move.record, move.ttlSeconds, items.length, ...items.flatMap((item) => [item.text, whenOf(item)])];
    }
    case 'requeue':
      return ['Q', move.id, move.text, Math.ceil(move.delayMs), move.at];
    case 'bury':
      return ['B', move.id, move.text, move.reason.replaceAll('\n', ' '), move.record, move.ttlSeconds];
  }
}

function readStep(reply: unknown): StepReply {
  if (!Array.isArray(reply)) throw new StorageRefused('the step script gave no list');
  const [now, committed, refused, left, held, dropped, solo, ...rest] = reply as [number, number, number, number, number, string, string];
  const chunks: StepReply['chunks'] = [];
  for (let i = 0; i + 1 < rest.length; i += 2) chunks.push({ text: String(rest[i]), count: Number(rest[i + 1]) });
  return {
    now,
    committed,
    refused,
    left,
    held,
    // cjson writes an empty list as {}.
    dropped: dropped === '{}' ? [] : (JSON.parse(dropped) as Dropped[]),
    solo: solo === '' ? undefined : solo,
    chunks,
  };
}

/** One line for people, without the password. */
function describe(spec: RedisSpec): string {
  if (spec.cluster) return `redis cluster of ${spec.cluster.nodes.length} nodes`;
  if (spec.url !== undefined) {
    try {
      const url = new URL(spec.url);
      if (url.password !== '') url.password = '***';
      return url.toString();
    } catch {
      return 'redis';
    }
  }
  const { host, port, path } = (spec.options ?? {}) as { host?: string; port?: number; path?: string };
  return path ?? `redis://${host ?? '127.0.0.1'}:${port ?? 6379}`;
}
