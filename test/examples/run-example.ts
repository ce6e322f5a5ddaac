/** Runs an example as a user does: its consumer, its producer, and a storage that HUEY_URL names. */
import assert from 'node:assert/strict';
import path from 'node:path';
import { cleanEnv, RUNNING, startCommand } from '../cli/command.js';
import { startNode } from '../support/child.js';
import { projectRoot } from '../support/project-root.js';
import { startRedis } from '../support/redis.js';
import { tempDir, type Cleanup } from '../support/temp-dir.js';

export interface ExampleRun {
  /** What the producer wrote. */
  stdout: string;
  stderr: string;
  consumer: string;
}

/** Every storage that several processes can share. */
export const STORAGES: Record<string, (t: Cleanup) => Promise<string>> = {
  SQLite: async (t) => `sqlite:${path.join(await tempDir(t), 'queue.db')}`,
  Redis: async (t) => {
    const server = await startRedis();
    t.after(() => server.stop());
    return server.url;
  },
};

/** Both must end with exit code 0. */
export async function runExample(t: Cleanup, name: string, url: string, args: readonly string[] = []): Promise<ExampleRun> {
  const folder = path.join(projectRoot(), 'examples', name);
  const consumer = startCommand(t, ['--module', path.join(folder, 'tasks.js'), '--workers', '2'], { env: { HUEY_URL: url } });
  await consumer.waitFor(RUNNING);
  const producer = startNode([path.join(folder, 'main.js'), ...args], { env: cleanEnv({ HUEY_URL: url }) });
  t.after(async () => {
    await producer.stop();
  });
  assert.deepEqual(await producer.exited, { code: 0, signal: null }, producer.output());
  consumer.kill('SIGTERM');
  assert.deepEqual(await consumer.exited, { code: 0, signal: null }, consumer.output());
  return { stdout: producer.stdout(), stderr: producer.stderr(), consumer: consumer.stdout() };
}
