/** A master with a replica, and sentinels that watch it: real servers on ports of their own. */
import { Redis } from 'ioredis';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { poll } from './poll.js';
import { startRedis, type RedisServer } from './redis.js';
import { makeTempDir, removeDir } from './temp-dir.js';

export interface SentinelOptions {
  sentinels?: number;
  /** More options of master and replica. */
  args?: readonly string[];
  /** Of the sentinels themselves. */
  sentinelPassword?: string;
}

export interface SentinelWorld {
  /** redis+sentinel:// with all sentinels. */
  readonly url: string;
  /** Master and replica, in whatever role they are now. */
  readonly servers: readonly RedisServer[];
  /** As the sentinels say. */
  master(): Promise<RedisServer>;
  /** Resolves when the replica has all that the master has. */
  inStep(): Promise<void>;
  /** Holds writers, hands over, and resolves when both servers have their new roles: a failover that loses nothing. */
  failover(): Promise<void>;
  stop(): Promise<void>;
}

export const MASTER = 'mymaster';
const DOWN_AFTER_MS = 1500;
const FAILOVER_TIMEOUT_MS = 6000;

export async function startSentinels({ sentinels = 3, args = [], sentinelPassword }: SentinelOptions = {}): Promise<SentinelWorld> {
  const master = await startRedis(args);
  const servers = [master, await startRedis(['--replicaof', `127.0.0.1 ${master.port}`, '--repl-diskless-sync-delay', '0', ...args])];
  const quorum = Math.floor(sentinels / 2) + 1;
  const watchers = await Promise.all(Array.from({ length: sentinels }, () => startSentinel(master.port, quorum, sentinelPassword)));
  const clientOf = (port: number, password?: string): Redis => {
    const client = new Redis({
      port,
      host: '127.0.0.1',
      replyMapping: 'legacy',
      retryStrategy: (times) => Math.min(200, 20 * times),
      ...(password === undefined ? {} : { password }),
    });
    // One whose server a test kills comes back with it.
    client.on('error', () => undefined);
    return client;
  };
  const clients = servers.map(({ port }) => clientOf(port));
  const [first] = watchers;
  if (first === undefined) throw new Error('there is no sentinel');
  const asked = clientOf(first.server.port, sentinelPassword);

  const masterPort = async (): Promise<number> => {
    const [, port] = (await asked.call('SENTINEL', 'GET-MASTER-ADDR-BY-NAME', MASTER)) as [string, string];
    return Number(port);
  };
  const current = async (): Promise<RedisServer> => {
    const port = await masterPort();
    const server = servers.find((one) => one.port === port);
    if (server === undefined) throw new Error(`the sentinels name a master on port ${port}, which is nobody`);
    return server;
  };
  const info = async (server: RedisServer): Promise<string> => (await clients[servers.indexOf(server)]?.info('replication')) ?? '';
  const inStep = (): Promise<void> =>
    poll('a replica that has what the master has', async () => {
      const text = await info(await current());
      const [, have] = /offset=(\d+)/.exec(text) ?? [];
      return have !== undefined && have === /master_repl_offset:(\d+)/.exec(text)?.[1];
    }).then(() => undefined);

  const world: SentinelWorld = {
    url: `redis+sentinel://${watchers.map(({ server }) => `127.0.0.1:${server.port}`).join(',')}/${MASTER}${
      sentinelPassword === undefined ? '' : `?sentinelPassword=${sentinelPassword}`
    }`,
    servers,
    master: current,
    inStep,
    async failover() {
      const old = await current();
      const oldClient = clients[servers.indexOf(old)];
      // More replicas than there are: from now on it refuses to write, so what it has acknowledged can be copied.
      await oldClient?.config('SET', 'min-replicas-to-write', '100');
      await inStep();
      await poll('a failover that begins', async () => (await asked.call('SENTINEL', 'FAILOVER', MASTER)) === 'OK');
      await poll('another master', async () => (await masterPort()) !== old.port);
      await poll('the old master to follow the new one', async () => {
        const text = await info(old);
        return text.includes('role:slave') && text.includes('master_link_status:up');
      });
      await oldClient?.config('SET', 'min-replicas-to-write', '0');
    },
    async stop() {
      for (const client of [...clients, asked]) client.disconnect();
      await Promise.all([...servers, ...watchers.map(({ server }) => server)].map((server) => server.stop()));
      for (const { directory } of watchers) await removeDir(directory);
    },
  };
  try {
    await poll('sentinels that know each other and the replica', async () => {
      const [, usable] = String(await asked.call('SENTINEL', 'CKQUORUM', MASTER)).split(' ');
      const replicas = (await asked.call('SENTINEL', 'REPLICAS', MASTER)) as unknown[];
      return Number(usable) === sentinels && replicas.length === 1;
    });
    await inStep();
  } catch (error) {
    await world.stop();
    throw error;
  }
  return world;
}

async function startSentinel(
  masterPort: number,
  quorum: number,
  password: string | undefined,
): Promise<{ server: RedisServer; directory: string }> {
  const directory = await makeTempDir();
  const file = path.join(directory, 'sentinel.conf');
  const lines = [
    `sentinel monitor ${MASTER} 127.0.0.1 ${masterPort} ${quorum}`,
    `sentinel down-after-milliseconds ${MASTER} ${DOWN_AFTER_MS}`,
    `sentinel failover-timeout ${MASTER} ${FAILOVER_TIMEOUT_MS}`,
    `sentinel parallel-syncs ${MASTER} 1`,
    ...(password === undefined ? [] : [`requirepass ${password}`, `sentinel sentinel-pass ${password}`]),
  ];
  await writeFile(file, `${lines.join('\n')}\n`);
  return { server: await startRedis([file, '--sentinel']), directory };
}
