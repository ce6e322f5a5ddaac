import { Redis } from 'ioredis';
import { after, before } from 'node:test';
import { RedisKeys } from '../../src/runtime/storage/redis-keys.js';
import { RedisStorage } from '../../src/runtime/storage/redis.js';
import { startRedis, type RedisServer } from '../support/redis.js';
import { describeStorage } from './conformance.js';

let server: RedisServer;
let client: Redis;
let queues = 0;

before(async () => {
  server = await startRedis();
  client = new Redis(server.url);
});

after(async () => {
  client.disconnect();
  await server.stop();
});

describeStorage('redis', async () => {
  const queue = `q${queues++}`;
  const opened: RedisStorage[] = [];
  const open = async (): Promise<RedisStorage> => {
    const storage = new RedisStorage(queue, { kind: 'redis', url: server.url });
    opened.push(storage);
    await storage.open();
    return storage;
  };
  return {
    storage: await open(),
    another: open,
    pushRaw: async (text) => void (await client.rpush(new RedisKeys(queue).ready, text)),
    close: async () => {
      for (const storage of opened) await storage.close();
    },
  };
});
