/** Consumers with a name: one that was killed is followed at once, and two that live do not throw each other out by turns. */
import assert from 'node:assert/strict';
import path from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { readLines } from '../actors/consumer-world.js';
import { startNode, type TestChild } from '../support/child.js';
import { poll } from '../support/poll.js';
import { startRedis } from '../support/redis.js';
import { RUNNING, runCommand, startCommand, userProject } from './command.js';

/** Longer than any wait of these tests: what runs again before it ends was given back by the name alone. */
const LONG_LEASE = ['--lease', '300'];
/** The heartbeat comes three times as often, and with it the news that somebody else has the name. */
const SHORT_LEASE = ['--lease', '3'];

describe('a consumer that is started under the name of a killed one', () => {
  for (const kind of ['redis', 'sqlite']) {
    it(`has its tasks given back at once, ${kind}`, async (t) => {
      const world = await InstanceWorld.make(t, await urlOf(t, kind));
      const first = await world.start(['--instance', 'web-0', ...LONG_LEASE]);
      await world.call('hold');
      await world.lines(1);
      await first.stop();
      const second = await world.start(['--instance', 'web-0', ...LONG_LEASE]);
      await world.lines(2);
      assert.match(second.stdout(), /follows one of the same instance that had not stopped.*instance=web-0 tasks=1/);
    });
  }

  it('does so in each queue of the module', async (t) => {
    const world = await InstanceWorld.make(t, 'sqlite:');
    const first = await world.start(['--all', '--instance', 'web-0', ...LONG_LEASE]);
    await world.call('hold');
    await world.call('holdOther');
    await world.lines(2);
    await first.stop();
    await world.start(['--all', '--instance', 'web-0', ...LONG_LEASE]);
    const lines = await world.lines(4);
    assert.deepEqual(lines.toSorted(), ['hold', 'hold', 'holdOther', 'holdOther']);
  });

  it('leaves alone who has another name', async (t) => {
    const world = await InstanceWorld.make(t, 'sqlite:');
    const first = await world.start(['--instance', 'web-0', ...LONG_LEASE]);
    await world.call('hold');
    await world.lines(1);
    const second = await world.start(['--instance', 'web-1', ...LONG_LEASE]);
    await world.call('note');
    await poll('the other task', () => readLines(world.journal).includes('note'));
    assert.deepEqual(readLines(world.journal), ['hold', 'note']);
    assert.doesNotMatch(second.stdout() + first.stdout(), /follows one/);
  });
});

describe('a consumer that stops', () => {
  it('frees its name', async (t) => {
    const world = await InstanceWorld.make(t, 'sqlite:');
    const first = await world.start(['--instance', 'web-0', ...LONG_LEASE]);
    first.kill('SIGTERM');
    assert.deepEqual(await first.exited, { code: 0, signal: null });
    const second = await world.start(['--instance', 'web-0', ...LONG_LEASE]);
    assert.doesNotMatch(second.stdout(), /follows one/);
  });

  it('keeps its name when it reloads at SIGHUP', async (t) => {
    const world = await InstanceWorld.make(t, 'sqlite:');
    const child = await world.start(['--instance', 'web-0', ...LONG_LEASE]);
    child.kill('SIGHUP');
    await child.waitFor(/reloaded: /);
    assert.doesNotMatch(child.stdout(), /follows one/);
  });
});

describe('two living consumers of one name', () => {
  it('do not take turns: the older one ends with exit code 3 and says why, the newer one goes on', async (t) => {
    const world = await InstanceWorld.make(t, await urlOf(t, 'redis'));
    const older = await world.start(['--instance', 'web-0', ...SHORT_LEASE]);
    await world.call('hold');
    await world.lines(1);
    const newer = await world.start(['--instance', 'web-0', ...SHORT_LEASE]);
    assert.deepEqual(await older.exited, { code: 3, signal: null });
    assert.match(older.stderr(), /^huey-runtime: the consumer could not go on: another consumer was started as instance "web-0".*\n$/);
    // What the older one held runs in the newer one, whose name nobody takes back.
    await world.lines(2);
    await world.call('note');
    await world.lines(3);
    assert.doesNotMatch(newer.stdout(), /starts anew/);
  });
});

describe('--instance', () => {
  it('refuses a name with blanks, and none', async (t) => {
    const world = await InstanceWorld.make(t, 'sqlite:');
    for (const name of ['web 0', 'x'.repeat(201)]) {
      const { code, stderr } = await runCommand(t, ['tasks.js', '--instance', name], { cwd: world.cwd });
      assert.equal(code, 2);
      assert.match(stderr, /^huey-runtime: --instance is ".*", and must be 1 to 200 printable ASCII characters without blanks\n$/);
    }
  });
});

/** A project whose tasks note that they began; `hold` does not end. */
class InstanceWorld {
  readonly cwd: string;
  readonly journal: string;
  readonly #t: TestContext;

  static async make(t: TestContext, url: string): Promise<InstanceWorld> {
    const made = (queue: string): string =>
      url === 'sqlite:' ? `new SqliteHuey('${queue}')` : `new RedisHuey('${queue}', { url: '${url}' })`;
    const module = `
import { appendFileSync } from 'node:fs';
import { RedisHuey, SqliteHuey } from 'huey-runtime';
export const huey = ${made('beans')};
export const other = ${made('peas')};
const begin = (name) => appendFileSync('journal', name + '\\n');
export const hold = huey.task(async function hold() { begin('hold'); await new Promise((resolve) => setTimeout(resolve, 600_000)); });
export const holdOther = other.task(async function holdOther() { begin('holdOther'); await new Promise((resolve) => setTimeout(resolve, 600_000)); });
export const note = huey.task(function note() { begin('note'); });
`;
    const call = `
const { huey, other, ...tasks } = await import('./tasks.js');
await tasks[process.argv[2]]();
await huey.close();
await other.close();
`;
    return new InstanceWorld(t, await userProject(t, { 'tasks.js': module, 'call.js': call }));
  }

  private constructor(t: TestContext, cwd: string) {
    this.#t = t;
    this.cwd = cwd;
    this.journal = path.join(cwd, 'journal');
  }

  async start(options: readonly string[]): Promise<TestChild> {
    const which = options.includes('--all') ? [] : ['--huey', 'beans'];
    const child = startCommand(this.#t, ['tasks.js', '-w', '2', ...which, ...options], { cwd: this.cwd });
    await child.waitFor(options.includes('--all') ? /is running[^]*is running/ : RUNNING);
    return child;
  }

  async call(task: string): Promise<void> {
    const child = startNode(['call.js', task], { cwd: this.cwd });
    assert.deepEqual(await child.exited, { code: 0, signal: null }, child.output());
  }

  /** Waits for so many lines of the journal. */
  async lines(count: number): Promise<string[]> {
    return poll(`${count} lines in the journal`, () => {
      const lines = readLines(this.journal);
      return lines.length >= count && lines;
    });
  }
}

async function urlOf(t: TestContext, kind: string): Promise<string> {
  if (kind !== 'redis') return 'sqlite:';
  const server = await startRedis();
  t.after(() => server.stop());
  return server.url;
}
