/** The bare limit of the server, from node and from redis-benchmark, which checks that node's client is no obstacle. */
import { spawnSync } from 'node:child_process';
import type { Bench } from '../bench.js';
import { BARE_ENTRY } from '../contestants.js';
import { CheckFailed } from '../queues/queue-view.js';
import { eachOf, keysOf } from '../queues/redis-scan.js';
import type { Contestant, Scenario } from '../rounds.js';
import { encodeMessage } from '../../src/runtime/message.js';
import { IdGenerator } from '../../src/runtime/ids.js';
import { LIMIT_BATCH, LIMIT_IN_FLIGHT, LIMIT_KEYS, LIMIT_SCRIPT, limitArguments } from '../systems/bare-script.js';

const PUSH_BATCH = 5000;
const TOOL_DEADLINE_MS = 120_000;
const HEAD = { attempts: 0, retries: 0, lapses: 0, deaths: 0, priority: 0, timeoutMs: 0, expiresAt: 0 };

export function limit(bench: Bench): Scenario {
  return {
    name: 'limit',
    title: `a bare script that claims, stores and acknowledges ${LIMIT_BATCH} tasks a call, ${LIMIT_IN_FLIGHT} calls in flight`,
    metrics: [{ name: 'rate', unit: 'tasks/s', better: 'higher' }],
    contestants: [bareLimit(bench), redisBenchmark(bench)],
  };
}

/** Also a contestant of the drains: how much of what is possible a queue reaches. */
export function bareLimit(bench: Bench): Contestant {
  return {
    name: 'bare',
    label: 'bare limit',
    run: async () => {
      const n = await fillLimit(bench);
      return bench.bareStage(BARE_ENTRY, async (child) => {
        const rate = await child.call('limit', { n });
        await checkLimit(bench, n);
        return { rate };
      });
    },
  };
}

function redisBenchmark(bench: Bench): Contestant {
  const isHere = spawnSync('redis-benchmark', ['--version']).status === 0;
  return {
    name: 'redis-benchmark',
    label: 'redis-benchmark',
    ...(isHere ? {} : { unavailable: 'redis-benchmark is not installed' }),
    run: async () => {
      const n = await fillLimit(bench);
      const script = (await bench.redis.script('LOAD', LIMIT_SCRIPT)) as string;
      const { ready, inflight, results } = LIMIT_KEYS;
      const { stdout } = spawnSync(
        'redis-benchmark',
        [
          ...['-p', String(bench.server.port), '-c', String(LIMIT_IN_FLIGHT), '-n', String(n / LIMIT_BATCH), '--csv'],
          ...['EVALSHA', script, '3', ready, inflight, results, ...limitArguments()],
        ],
        { encoding: 'utf8', timeout: TOOL_DEADLINE_MS },
      );
      // The second column, of servers that quote their columns and of those that do not.
      const callsPerSecond = Number(/^"EVALSHA[^"]*","?([\d.]+)/m.exec(stdout)?.[1]);
      await checkLimit(bench, n);
      if (!(callsPerSecond > 0)) throw new CheckFailed(`redis-benchmark said something else: ${stdout.slice(-200)}`);
      return { rate: callsPerSecond * LIMIT_BATCH };
    },
  };
}

/** Whole batches, so that no call finds less than it asks for. */
async function fillLimit(bench: Bench): Promise<number> {
  const n = Math.ceil(bench.sized(200_000, 2560) / LIMIT_BATCH) * LIMIT_BATCH;
  const ids = new IdGenerator();
  await bench.redis.flushall();
  for (let i = 0; i < n; i += PUSH_BATCH) {
    const count = Math.min(PUSH_BATCH, n - i);
    const messages = Array.from({ length: count }, (_, k) =>
      encodeMessage({ ...HEAD, id: ids.next(), name: 'noop' }, `{"args":[{"n":${i + k}}],"at":1700000000000}`),
    );
    await bench.redis.rpush(LIMIT_KEYS.ready, ...messages);
  }
  return n;
}

async function checkLimit(bench: Bench, n: number): Promise<void> {
  const keys = await keysOf(bench.redis, `${LIMIT_KEYS.results}*`);
  const counts = await eachOf(keys, (key) => bench.redis.hlen(key));
  const stored = counts.reduce((sum, count) => sum + count, 0);
  const left = (await bench.redis.llen(LIMIT_KEYS.ready)) + (await bench.redis.hlen(LIMIT_KEYS.inflight));
  if (stored !== n || left > 0) throw new CheckFailed(`${stored} results are stored of ${n}, ${left} tasks are left`);
}
