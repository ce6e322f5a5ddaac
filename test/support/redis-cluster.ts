/** A Redis cluster of a test: real servers on ports of their own, each master with an equal share of the slots, some with replicas. */
import { Redis } from 'ioredis';
import { poll } from './poll.js';
import { freePort, startRedis, type RedisServer } from './redis.js';

export interface ClusterOptions {
  masters?: number;
  /** Of each master. */
  replicas?: number;
  /** More options of each server. */
  args?: readonly string[];
}

export interface ClusterNode {
  readonly server: RedisServer;
  readonly client: Redis;
  readonly id: string;
}

export interface RedisCluster {
  /** redis+cluster:// with all nodes. */
  readonly url: string;
  readonly nodes: readonly ClusterNode[];
  /** The living node that owns the slot of this key now. */
  ownerOf(key: string): Promise<ClusterNode>;
  slotOf(key: string): Promise<number>;
  /** Moves the slot of this key to another master, key by key, as redis-cli does. `between` runs after each group of keys. */
  moveSlot(key: string, to: ClusterNode, between?: () => Promise<void>): Promise<void>;
  stop(): Promise<void>;
}

const SLOTS = 16_384;
/** Of the bus: the others count as failed after so long. */
const NODE_TIMEOUT_MS = 1500;
/** The port of the bus is that of the server and this. */
const BUS_OFFSET = 10_000;
const PORT_MAX = 65_535;

export async function startCluster({ masters = 3, replicas = 0, args = [] }: ClusterOptions = {}): Promise<RedisCluster> {
  // Otherwise the death of one master stops them all until a replica has taken over (docs/redis.md).
  const coverage = ['--cluster-require-full-coverage', 'no'];
  const own = ['--cluster-enabled', 'yes', '--cluster-node-timeout', String(NODE_TIMEOUT_MS), ...coverage, ...args];
  const count = masters * (1 + replicas);
  const nodes = await Promise.all(Array.from({ length: count }, () => startNode(own)));
  const all = async (act: (node: ClusterNode) => Promise<unknown>): Promise<void> => void (await Promise.all(nodes.map(act)));
  const stop = async (): Promise<void> => {
    for (const { client } of nodes) client.disconnect();
    await all(({ server }) => server.stop());
  };
  try {
    await all(({ client }) => client.cluster('MEET', '127.0.0.1', nodes[0]?.server.port ?? 0));
    for (const [n, { client }] of nodes.slice(0, masters).entries()) {
      const [first, last] = [Math.floor((n * SLOTS) / masters), Math.floor(((n + 1) * SLOTS) / masters) - 1];
      await client.call('CLUSTER', 'ADDSLOTSRANGE', String(first), String(last));
    }
    await poll('every node to know the others', () =>
      everyNode(nodes, async ({ client }) => linesOf(await client.cluster('NODES')).length === count),
    );
    for (const [n, { client }] of nodes.slice(masters).entries()) {
      await poll('a replica to follow its master', () => client.cluster('REPLICATE', nodes[n % masters]?.id ?? ''));
    }
    await poll('a cluster that works', () =>
      everyNode(nodes, async ({ client }) => {
        const known = linesOf(await client.cluster('NODES'));
        const isUp = known.filter((line) => /\bslave .* connected/.test(line)).length === count - masters;
        return isUp && String(await client.cluster('INFO')).includes('cluster_state:ok');
      }),
    );
    await poll('replicas that have what their masters have', () =>
      everyNode(nodes.slice(masters), async ({ client }) => (await client.info('replication')).includes('master_link_status:up')),
    );
  } catch (error) {
    await stop();
    throw error;
  }
  const slotOf = async (key: string): Promise<number> => Number(await (await living(nodes)).client.cluster('KEYSLOT', key));
  const ownerOf = async (key: string): Promise<ClusterNode> => {
    const slot = await slotOf(key);
    const ranges = (await (await living(nodes)).client.cluster('SLOTS')) as unknown as [number, number, [string, number, string]][];
    const [, , [, , id] = []] = ranges.find(([first, last]) => first <= slot && slot <= last) ?? [];
    const owner = nodes.find((node) => node.id === id);
    if (owner === undefined) throw new Error(`nobody owns slot ${slot}`);
    return owner;
  };
  return {
    url: `redis+cluster://${nodes.map(({ server }) => `127.0.0.1:${server.port}`).join(',')}`,
    nodes,
    ownerOf,
    slotOf,
    stop,
    async moveSlot(key, to, between = () => Promise.resolve()) {
      const [slot, from] = [await slotOf(key), await ownerOf(key)];
      await to.client.cluster('SETSLOT', slot, 'IMPORTING', from.id);
      await from.client.cluster('SETSLOT', slot, 'MIGRATING', to.id);
      for (;;) {
        await between();
        const keys = await from.client.cluster('GETKEYSINSLOT', slot, 1);
        if (keys.length === 0) break;
        await from.client.migrate('127.0.0.1', to.server.port, '', 0, 5000, 'KEYS', ...keys);
      }
      // The one that gets it first: whoever asks in between is sent there, and served.
      await to.client.cluster('SETSLOT', slot, 'NODE', to.id);
      await from.client.cluster('SETSLOT', slot, 'NODE', to.id);
    },
  };
}

async function startNode(args: readonly string[]): Promise<ClusterNode> {
  let port = await freePort();
  while (port + BUS_OFFSET > PORT_MAX) port = await freePort();
  const server = await startRedis([...args, '--cluster-config-file', 'nodes.conf'], { port });
  const client = new Redis(server.url, { retryStrategy: () => null, replyMapping: 'legacy' });
  // A node that a test kills loses its connection; what that fails shows in the replies.
  client.on('error', () => undefined);
  return { server, client, id: String(await client.cluster('MYID')) };
}

async function living(nodes: readonly ClusterNode[]): Promise<ClusterNode> {
  for (const node of nodes) if ((await node.client.ping().catch(() => '')) === 'PONG') return node;
  throw new Error('no node of the cluster lives');
}

async function everyNode(nodes: readonly ClusterNode[], look: (node: ClusterNode) => Promise<boolean>): Promise<boolean> {
  return (await Promise.all(nodes.map(look))).every(Boolean);
}

function linesOf(text: unknown): string[] {
  return String(text)
    .split('\n')
    .filter((line) => line !== '');
}
