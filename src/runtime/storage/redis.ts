/**
 * The storage on Redis (6.2 and later, Valkey): what a supervisor needs beside what every Huey does (redis-producer.ts).
 * Waiting for work has a connection of its own.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { checkName } from '../message.js';
import type { BeatReply, PromoteReply, ReapReply, StepCall, StepReply, Storage, TickCall } from '../storage.js';
import { checkConsumer, checkCount, checkLease } from './checks.js';
import { readStep, stepArguments } from './redis-arguments.js';
import { RedisConnection, translate, type RedisArgument, type RedisSpec } from './redis-connection.js';
import { RedisProducer } from './redis-producer.js';
import type { ScriptName } from './redis-scripts.js';

/** How much later than asked a blocked read may answer before its connection counts as lost. */
const WAIT_GRACE_MS = 2000;
/** Where the server refuses to move messages (out of memory), look this often instead. */
const POLL_MS = 100;

export class RedisStorage extends RedisProducer implements Storage {
  readonly kind = 'redis';
  readonly address: string;
  readonly #blocking: RedisConnection;
  #blockingClientId: number | undefined;

  constructor(queue: string, spec: RedisSpec) {
    super(queue, spec);
    this.address = describe(spec);
    this.#blocking = new RedisConnection(spec);
  }

  async open(): Promise<void> {
    await this.commands.run((client) => client.ping());
  }

  async close(): Promise<void> {
    this.commands.close();
    this.#blocking.close();
    this.subscriptions.close();
    return Promise.resolve();
  }

  async register(consumer: string, leaseMs: number): Promise<{ now: number }> {
    return { now: Number(await this.call('hueyRegister', checkConsumer(consumer), checkLease(leaseMs))) };
  }

  async step(call: StepCall): Promise<StepReply> {
    return readStep(await this.call('hueyStep', ...stepArguments(call)));
  }

  async waitAndStep(call: StepCall, waitMs: number): Promise<StepReply> {
    // For Redis a wait of 0 is a wait for ever.
    if (waitMs <= 0) return this.step(call);
    const ready = this.keys.ready;
    const landing = this.keys.landing(call.consumer);
    // Each command has its own reply; the step runs in the server as soon as the move is through or has given up.
    let refused: unknown;
    const reply = await this.#blocking
      .run(async (client) => {
        this.#blockingClientId ??= await client.client('ID');
        const moved = client.blmove(ready, landing, 'LEFT', 'RIGHT', waitMs / 1000);
        const step = (client as unknown as Record<ScriptName, (key: string, ...args: RedisArgument[]) => Promise<unknown>>).hueyStep(
          ready,
          this.keys.prefix,
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
    this.commands.run((client) => client.client('UNBLOCK', id)).catch(() => this.#blocking.replace());
  }

  async beat(consumer: string, leaseMs: number): Promise<BeatReply> {
    const [now, held, landing] = (await this.call('hueyBeat', consumer, checkLease(leaseMs))) as number[];
    return { now: now ?? 0, held: held ?? 0, landing: landing ?? 0 };
  }

  async heldIds(consumer: string): Promise<string[]> {
    return this.commands.run((client) => client.hkeys(this.keys.inflight(consumer)));
  }

  async release(consumer: string, ids: readonly string[]): Promise<number> {
    return Number(await this.call('hueyRelease', consumer, ...ids));
  }

  async unregister(consumer: string): Promise<void> {
    await this.call('hueyUnregister', consumer);
  }

  async reap(leaseMs: number): Promise<ReapReply> {
    const [now, tasks, ...consumers] = (await this.call('hueyReap', checkLease(leaseMs))) as [number, number, ...string[]];
    return { now, tasks, consumers };
  }

  async promote(limit: number): Promise<PromoteReply> {
    const [now, promoted, next] = (await this.call('hueyPromote', checkCount('limit', limit))) as [number, number, string];
    return { now, promoted, nextDueAt: next === '' ? undefined : Number(next) };
  }

  async tick(call: TickCall): Promise<boolean> {
    checkName(call.task);
    return (await this.call('hueyTick', call.task, checkCount('minuteMs', call.minuteMs), call.text)) === 1;
  }

  async lastTicks(tasks: readonly string[]): Promise<(number | undefined)[]> {
    if (tasks.length === 0) return [];
    const minutes = await this.commands.run((client) => client.hmget(`${this.keys.prefix}ticks`, ...tasks));
    return minutes.map((minute) => (minute === null ? undefined : Number(minute)));
  }

  async skipTicks(tasks: readonly string[], minuteMs: number): Promise<void> {
    await this.call('hueySkipTicks', checkCount('minuteMs', minuteMs), ...tasks);
  }
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
