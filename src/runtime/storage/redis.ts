/**
 * The storage on Redis (6.2 and later, Valkey): what a supervisor needs beside what every Huey does (redis-producer.ts).
 * Waiting for work has a connection of its own.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { checkName } from '../message.js';
import { InstanceTaken } from '../errors.js';
import type { Finding } from '../finding.js';
import type {
  BeatReply,
  InstanceClaim,
  PromoteReply,
  ReapReply,
  RegisterReply,
  StepCall,
  StepReply,
  Storage,
  TickCall,
} from '../storage.js';
import { checkConsumer, checkCount, checkInstance, checkLease } from './checks.js';
import { quickStepArguments, readStep, stepArguments } from './redis-arguments.js';
import { RedisConnection, type RedisArgument, type RedisSpec } from './redis-connection.js';
import { translate } from './redis-errors.js';
import { RedisProducer } from './redis-producer.js';
import type { ScriptName } from './redis-scripts.js';
import { examineServer } from './redis-server-check.js';
import { describeTarget } from './redis-target.js';

/** How much later than asked a blocked read may answer before its connection counts as lost. */
const WAIT_GRACE_MS = 1500;
/** How long the other connection may take to show that it lives, where this one was found dead and the server alive. */
const PROBE_MS = 1000;
/** Where the server refuses to move messages (out of memory), look this often instead. */
const POLL_MS = 100;
/** After the short script of `step` gave a call back, the long one is called for so long. */
const QUICK_PAUSE_MS = 500;

export class RedisStorage extends RedisProducer implements Storage {
  readonly kind = 'redis';
  readonly address: string;
  readonly #blocking: RedisConnection;
  #blockingClientId: number | undefined;
  /** Monotonic, ms. */
  #quickFrom = 0;

  constructor(queue: string, spec: RedisSpec) {
    super(queue, spec);
    this.address = describeTarget(spec);
    // Every connection has a number of its own in the server.
    this.#blocking = new RedisConnection(spec, this.keys.ready, { onReady: () => (this.#blockingClientId = undefined) });
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

  async examine(): Promise<Finding[]> {
    return this.commands.run((client) => examineServer(client));
  }

  async register(consumer: string, leaseMs: number, instance?: InstanceClaim): Promise<RegisterReply> {
    const claim = instance === undefined ? ['', 0] : [checkInstance(instance).name, instance.takeOver ? 1 : 0];
    const reply = await this.call('hueyRegister', checkConsumer(consumer), checkLease(leaseMs), ...claim);
    const [now, former, tasks, reloads = 0] = reply as [number, string, number, number?];
    if (tasks < 0) throw new InstanceTaken(instance?.name ?? '');
    return former === '' ? { now, reloads } : { now, former: { consumer: former, tasks }, reloads };
  }

  async step(call: StepCall): Promise<StepReply> {
    const quick = this.#quickArguments(call);
    if (quick !== undefined) {
      const reply = await this.call('hueyQuickStep', ...quick);
      if (reply !== null) return readStep(reply);
      this.#notQuick();
    }
    return readStep(await this.call('hueyStep', ...stepArguments(call)));
  }

  /** Undefined where the short script would most likely give the call back. */
  #quickArguments(call: StepCall): RedisArgument[] | undefined {
    return performance.now() < this.#quickFrom ? undefined : quickStepArguments(call);
  }

  /** What it came upon is likely to be there for a while: a priority, a mark, a keyed task. */
  #notQuick(): void {
    this.#quickFrom = performance.now() + QUICK_PAUSE_MS;
  }

  async waitAndStep(call: StepCall, waitMs: number): Promise<StepReply> {
    // For Redis a wait of 0 is a wait for ever.
    if (waitMs <= 0) return this.step(call);
    const ready = this.keys.ready;
    const landing = this.keys.landing(call.consumer);
    // Each command has its own reply; the step runs in the server as soon as the move is through or has given up.
    let refused: unknown;
    const reply = await this.#blocking
      .run(async (client, again) => {
        const run = (name: ScriptName, args: RedisArgument[]): Promise<unknown> =>
          this.#blocking.callScript(client, name, [this.keys.prefix, ...args]);
        // The move may have brought something before the step was refused: the step comes first then, and nothing waits.
        if (again) return readStep(await run('hueyStep', stepArguments(call)));
        const quick = this.#quickArguments(call);
        this.#blockingClientId ??= await client.client('ID');
        // Where the move came and the step did not, nobody would look for what it brings after this consumer was reaped.
        const sent = this.#blocking.together(client, () => ({
          move: client.blmove(ready, landing, 'LEFT', 'RIGHT', waitMs / 1000),
          step: quick === undefined ? run('hueyStep', stepArguments(call)) : run('hueyQuickStep', quick),
        }));
        const [move, stepped] = await Promise.allSettled([sent.move, sent.step]);
        if (move.status === 'rejected') refused = move.reason;
        if (stepped.status === 'rejected') {
          this.#blockingClientId = undefined;
          throw stepped.reason;
        }
        if (stepped.value !== null) return readStep(stepped.value);
        this.#notQuick();
        return readStep(await run('hueyStep', stepArguments(call)));
      }, waitMs + WAIT_GRACE_MS)
      .catch((error: unknown) => {
        this.#blockingClientId = undefined;
        this.#probe().catch(() => undefined);
        throw error;
      });
    if (refused !== undefined && !translate(refused).message.includes('UNBLOCKED')) await sleep(POLL_MS);
    return reply;
  }

  interrupt(): void {
    const id = this.#blockingClientId;
    if (id === undefined) return;
    // Clients are numbered by each server; the other connection may still lead to the one before.
    if (this.commands.peer !== this.#blocking.peer) return this.#blocking.replace();
    this.commands.run((client) => client.client('UNBLOCK', id)).catch(() => this.#blocking.replace());
  }

  /**
   * What killed one connection may have killed the other, which shall not take a whole timeout to learn it. The new
   * connection comes first: where the server itself is silent, nobody is to blame.
   */
  async #probe(): Promise<void> {
    await this.#blocking.run((client) => client.ping());
    await this.commands.run((client) => client.ping(), PROBE_MS);
  }

  async beat(consumer: string, leaseMs: number): Promise<BeatReply> {
    const reply = await this.call('hueyBeat', consumer, checkLease(leaseMs));
    const [now, held, landing, canceled, reloads] = reply as [number, number, number, string[], number];
    return { now, held, landing, canceled, reloads };
  }

  async requestReload(): Promise<number> {
    return Number(await this.call('hueyRequestReload'));
  }

  async heldIds(consumer: string): Promise<string[]> {
    return (await this.call('hueyHeld', consumer)) as string[];
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
