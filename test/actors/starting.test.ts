import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { createSupervisor } from '../../src/actors/create-supervisor.js';
import { startNode } from '../support/child.js';
import { poll } from '../support/poll.js';
import { projectRoot } from '../support/project-root.js';
import { freePort, startRedis } from '../support/redis.js';
import { randomSeed } from '../support/seed.js';
import { makeTempDir, tempDir } from '../support/temp-dir.js';
import { ConsumerWorld, fixtureUrl, type Mode } from './consumer-world.js';

const WAIT = { blocking: true, timeout: 20 } as const;
const MODES: readonly Mode[] = ['inline', 'embedded'];
const START_STOP = fileURLToPath(new URL('../fixtures/start-stop.js', import.meta.url));
const ENTRY = pathToFileURL(path.join(projectRoot(), 'dist/src/api/index.js')).href;

/** Modules that a consumer cannot run, and the error that says so. */
const UNUSABLE: Record<string, { source: string; code?: string; message: RegExp }> = {
  'a syntax error': { source: 'export const huey = ;', message: /Unexpected token/ },
  'an error while it loads': { source: "throw new RangeError('no beans today');", message: /no beans today/ },
  'an error that is none while it loads': { source: 'throw null;', message: /null/ },
  'an import of what is not there': { source: "import './missing.js';", code: 'module-not-found', message: /missing\.js/ },
  'no Huey': { source: 'export const a = 1;', code: 'no-huey', message: /made no Huey/ },
  'several Hueys': {
    source: "export const a = new MemoryHuey('a'); export const b = new MemoryHuey('b');",
    code: 'several-hueys',
    message: /"a", "b"/,
  },
  'two tasks of one name': {
    source: "export const huey = new MemoryHuey('a'); huey.task(function one() {}); huey.task({ name: 'one' }, () => 1);",
    code: 'duplicate-task',
    message: /"one"/,
  },
  'a task without a name': {
    source: "export const huey = new MemoryHuey('a'); huey.task(() => 1);",
    message: /name/,
  },
  'an end of the process': { source: 'process.exit(3);', message: /died|exit|ended/i },
};

describe('a module that cannot be run', () => {
  for (const mode of MODES) {
    for (const [what, { source, code, message }] of Object.entries(UNUSABLE)) {
      it(`${what}: start rejects with that and leaves nothing running, ${mode}`, async (t) => {
        const consumer = await consumerOf(t, source, mode);
        const before = threads();
        await assert.rejects(consumer.start(), (error: Error & { code?: string }) => {
          assert.match(error.message, message);
          if (code !== undefined) assert.equal(error.code, code);
          return true;
        });
        await poll('the end of every thread', () => threads() <= before);
        await consumer.stop();
      });
    }
  }

  it('can be one of several Hueys by its name', async (t) => {
    const source = "export const a = new MemoryHuey('a'); export const b = new MemoryHuey('b');";
    const consumer = await consumerOf(t, source, 'inline', { huey: 'b' });
    const queues: string[] = [];
    consumer.on('ready', ({ queue }) => queues.push(queue));
    await consumer.start();
    assert.deepEqual(queues, ['b']);
    await assert.rejects((await consumerOf(t, source, 'inline', { huey: 'c' })).start(), { code: 'no-huey' });
  });

  it('that is not there says its name', async (t) => {
    const consumer = createSupervisor({ module: './not-there.js', cwd: await tempDir(t), inline: true });
    await assert.rejects(consumer.start(), { code: 'module-not-found', message: /not-there\.js/ });
  });
});

describe('a supervisor', () => {
  for (const mode of MODES) {
    it(`starts once, ${mode}`, async (t) => {
      const world = await ConsumerWorld.make(t, { kind: 'sqlite', mode });
      const consumer = await world.start();
      await assert.rejects(consumer.start(), { code: 'started-before' });
    });

    it(`that was never started stops at once, ${mode}`, async (t) => {
      const world = await ConsumerWorld.make(t, { kind: 'sqlite', mode });
      await world.consumer().stop();
    });

    it(`that is stopped while it starts rejects the start and leaves nothing running, ${mode}`, async (t) => {
      const world = await ConsumerWorld.make(t, { kind: 'sqlite', mode });
      const before = threads();
      const consumer = world.consumer();
      const starting = assert.rejects(consumer.start());
      await consumer.stop();
      await starting;
      await poll('the end of every thread', () => threads() <= before);
    });

    it(`that waits for its server can be stopped, ${mode}`, async (t) => {
      const world = await ConsumerWorld.at(t, `redis://127.0.0.1:${await freePort()}`, await makeTempDir(), mode);
      const before = threads();
      const consumer = world.consumer();
      const starting = assert.rejects(consumer.start());
      await poll('a word about the server', () => world.logged(/not reachable/).length > 0);
      await consumer.stop({ grace: 0 });
      await starting;
      await poll('the end of every thread', () => threads() <= before);
    });

    it(`waits for a server that is away, says so once, and starts when it comes, ${mode}`, async (t) => {
      const port = await freePort();
      const world = await ConsumerWorld.at(t, `redis://127.0.0.1:${port}`, await makeTempDir(), mode);
      const consumer = world.consumer();
      const starting = consumer.start();
      await poll('a word about the server', () => world.logged(/not reachable/).length > 0);
      const server = await startRedis([], { port, directory: world.folder });
      t.after(() => server.stop());
      await starting;
      assert.equal(await (await world.tasks.add(1, 2)).get(WAIT), 3);
      assert.equal(world.logged(/not reachable/).length, 1);
      assert.equal(world.logged(/reachable again/).length, 1);
      await consumer.stop();
    });
  }

  it('that is stopped at any moment of its start takes nobody down', async (t) => {
    const world = await ConsumerWorld.make(t, { kind: 'memory' });
    const random = new Random(randomSeed(t));
    // While its threads load their modules.
    const moments = Array.from({ length: 80 }, () => 20 + random.below(80));
    const child = startNode([START_STOP, fixtureUrl('tasks', world.queue, world.url).href, moments.join(',')]);
    t.after(async () => void (await child.stop()));
    assert.deepEqual(await child.exited, { code: 0, signal: null }, child.output());
    assert.match(child.output(), /survived/);
  });

  it('refuses options that it does not understand, before anything starts', () => {
    const module = fixtureUrl('tasks', 'q', 'memory:');
    for (const options of [{ workers: 0 }, { workers: 1.5 }, { lease: 0 }, { grace: -1 }, { schedulerInterval: 7 }, { lease: NaN }]) {
      for (const inline of [true, false]) assert.throws(() => createSupervisor({ module, inline, ...options }), { code: 'bad-option' });
    }
  });
});

async function consumerOf(
  t: TestContext,
  source: string,
  mode: Mode,
  options: { huey?: string } = {},
): Promise<ReturnType<typeof createSupervisor>> {
  const file = path.join(await tempDir(t), 'module.mjs');
  await writeFile(file, `import { MemoryHuey } from ${JSON.stringify(ENTRY)};\n${source}\n`);
  const consumer = createSupervisor({ module: pathToFileURL(file), workers: 2, inline: mode === 'inline', ...options });
  t.after(() => consumer.stop({ grace: 0 }));
  return consumer;
}

/** Small and repeatable. */
class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed;
  }

  below(limit: number): number {
    this.#state = (Math.imul(this.#state, 1664525) + 1013904223) >>> 0;
    return Math.floor((this.#state / 2 ** 32) * limit);
  }
}

/** Ports of threads that live, of this process. */
function threads(): number {
  return process.getActiveResourcesInfo().filter((name) => name === 'MessagePort' || name === 'Worker').length;
}
