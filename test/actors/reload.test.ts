/** New code in a consumer that goes on: nothing is lost, what does not load changes nothing, crontabs go on. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { createSupervisor, type CreateSupervisorOptions, type SupervisorHandle } from '../../src/actors/create-supervisor.js';
import { createLogger } from '../../src/actors/log.js';
import { createSupervisors } from '../../src/actors/supervisor-group.js';
import { RedisHuey, SqliteHuey, type Huey } from '../../src/api/index.js';
import { createStorage } from '../../src/runtime/storage/create.js';
import { userProject } from '../cli/command.js';
import { poll } from '../support/poll.js';
import { readLines, sharedRedis, type Line, type StorageKind } from './consumer-world.js';

/** Far more than it takes: it only catches a consumer that stands still while the new code loads. */
const GAP_MAX_MS = 5000;
/** In each phase: before, while, after. */
const PHASE_TASKS = 1500;
const AHEAD = 200;

type Kind = Exclude<StorageKind, 'memory'>;

/** A project whose module is written anew by the test, and a producer of its queue. */
class Project {
  readonly lines: Line[] = [];
  readonly #t: TestContext;
  readonly folder: string;
  readonly #make: string;
  readonly huey: Huey;

  static async make(t: TestContext, kind: Kind = 'sqlite'): Promise<Project> {
    const folder = await userProject(t, {});
    const queue = `reload-${path.basename(folder)}`;
    const url = kind === 'redis' ? (await sharedRedis()).url : path.join(folder, 'queue.db');
    return new Project(t, folder, queue, kind, url);
  }

  private constructor(t: TestContext, folder: string, queue: string, kind: Kind, url: string) {
    this.#t = t;
    this.folder = folder;
    const options = kind === 'redis' ? { url } : { filename: url };
    this.#make = `new ${kind === 'redis' ? 'RedisHuey' : 'SqliteHuey'}(${JSON.stringify(queue)}, ${JSON.stringify(options)})`;
    this.huey = kind === 'redis' ? new RedisHuey(queue, { url }) : new SqliteHuey(queue, { filename: url });
    t.after(() => this.huey.close());
  }

  get module(): string {
    return path.join(this.folder, 'tasks.js');
  }

  get journal(): string {
    return path.join(this.folder, 'journal');
  }

  /** `body` declares tasks on `huey`; `note(text)` writes a line of the journal. */
  write(body: string, make = this.#make): void {
    writeFileSync(
      this.module,
      `import { appendFileSync } from 'node:fs';
       import { crontab, currentTask, RedisHuey, SqliteHuey } from 'huey-runtime';
       const note = (text) => appendFileSync(${JSON.stringify(this.journal)}, text + '\\n');
       export const huey = ${make};
       ${body}`,
    );
  }

  async start(options: Partial<CreateSupervisorOptions> = {}): Promise<SupervisorHandle> {
    const logger = createLogger({ level: 'info', format: 'json', write: (line) => this.lines.push(JSON.parse(line) as Line) });
    const supervisor = createSupervisor({ module: this.module, workers: 2, inline: true, logger, ...options });
    this.#t.after(() => supervisor.stop({ grace: 0 }));
    await supervisor.start();
    return supervisor;
  }

  logged(pattern: RegExp): Line[] {
    return this.lines.filter(({ message }) => pattern.test(message));
  }
}

/** Takes its thread down so many times, and then gives what the code is. */
const DIE = `huey.task(function die(times) { return currentTask().attempt > times ? 'old' : process.exit(1); });`;
const version = (text: string): string => `huey.task(function version() { return ${JSON.stringify(text)}; });`;

for (const kind of ['sqlite', 'redis'] as const) {
  describe(`reload under load, on ${kind}`, { timeout: 120_000 }, () => {
    it('loses no task, fails none, and does not pause', async (t) => {
      const project = await Project.make(t, kind);
      project.write(version('old'));
      const supervisor = await project.start();
      const ended: number[] = [];
      const failed: string[] = [];
      supervisor.on('complete', () => ended.push(performance.now()));
      supervisor.on('failed', ({ task, error }) => failed.push(`${task.id}: ${error ?? ''}`));
      const call = project.huey.task(function version(): string {
        return '';
      });
      const results: Awaited<ReturnType<typeof call>>[] = [];
      // Fed at the speed at which it is eaten, a little ahead, so that an end is due at any moment.
      const feed = async (tasks: number, isOver: () => boolean = () => true): Promise<void> => {
        for (const enough = results.length + tasks; results.length < enough || !isOver();) {
          results.push(...(await Promise.all(Array.from({ length: 50 }, () => call()))));
          while (results.length - ended.length - failed.length > AHEAD) await once(supervisor, 'complete');
        }
      };
      await feed(PHASE_TASKS);
      project.write(version('new'));
      const from = performance.now();
      let to = 0;
      const reloading = supervisor.reload().then(() => (to = performance.now()));
      await feed(PHASE_TASKS, () => to > 0);
      await reloading;
      await feed(PHASE_TASKS);
      await poll('all to end', () => ended.length + failed.length >= results.length);
      assert.deepEqual(failed, []);
      assert.equal(ended.length, results.length);
      const values: string[] = await Promise.all(results.map((result) => result.get({ blocking: true })));
      assert.equal(values[0], 'old');
      assert.equal(values.at(-1), 'new');
      const gaps = [ended.filter((at) => at < from), ended.filter((at) => at >= from && at < to), ended.filter((at) => at >= to)].map(
        (times) => `${longestGap(times).toFixed(0)} ms`,
      );
      t.diagnostic(
        `longest gap between two ends: before ${gaps[0]}, while it reloaded (${(to - from).toFixed(0)} ms) ${gaps[1]}, after ${gaps[2]}`,
      );
      t.diagnostic(`${results.length} tasks, ${Math.round(results.length / (((ended.at(-1) ?? 0) - (ended[0] ?? 0)) / 1000))} a second`);
      assert.ok(longestGap(ended) < GAP_MAX_MS, `${longestGap(ended)} ms`);
    });
  });
}

describe('reload', { timeout: 240_000 }, () => {
  it('lets what runs finish in its code, while new threads take what is next', async (t) => {
    const project = await Project.make(t);
    const slow = (text: string): string => `huey.task(async function slow() {
      note('${text} begins');
      await new Promise((resolve) => setTimeout(resolve, 1500));
      return '${text}';
    });
    huey.onShutdown(() => note('${text} leaves'));`;
    project.write(slow('old') + version('old'));
    const supervisor = await project.start({ workers: 1 });
    const call = project.huey.task(function slow() {
      return '';
    });
    const ask = project.huey.task(function version() {
      return '';
    });
    const running = await call();
    await poll('the task to begin', () => readLines(project.journal).includes('old begins'));
    const next = await ask();
    project.write(slow('new') + version('new'));
    await supervisor.reload();
    assert.equal(await next.get({ blocking: true }), 'new');
    assert.equal(await running.get({ blocking: true }), 'old');
    await poll('the old thread to leave', () => readLines(project.journal).includes('old leaves'));
    assert.deepEqual(readLines(project.journal), ['old begins', 'old leaves']);
  });

  it('knows new tasks, and no longer those that are gone', async (t) => {
    const project = await Project.make(t);
    project.write('huey.task(function gone() { return 1; });');
    const supervisor = await project.start();
    const events: number[] = [];
    supervisor.on('reloaded', ({ tasks }) => events.push(tasks));
    const gone = project.huey.task({ retries: 0 }, function gone() {
      return 0;
    });
    const added = project.huey.task(function added() {
      return 0;
    });
    assert.equal(await (await gone()).get({ blocking: true }), 1);
    project.write('huey.task(function added() { return 2; }); huey.task(function other() {});');
    assert.equal((await supervisor.reload()).tasks, 2);
    assert.deepEqual(events, [2]);
    assert.equal(await (await added()).get({ blocking: true }), 2);
    await gone();
    // Nobody here knows it: it waits for a consumer that does.
    await poll('the call of what is gone to be put off', async () => (await project.huey.scheduledCount()) === 1);
  });

  it('takes changed options: a limit and a grace', async (t) => {
    const project = await Project.make(t);
    const pair = (options: string): string => `huey.task(${options}, async function pair() {
      note('+');
      await new Promise((resolve) => setTimeout(resolve, 300));
      note('-');
    });`;
    project.write(pair('{}'));
    const supervisor = await project.start();
    project.write(pair('{ concurrency: 1 }'));
    await supervisor.reload();
    const call = project.huey.task(function pair() {});
    const results = await Promise.all([call(), call()]);
    for (const result of results) await result.get({ blocking: true });
    assert.deepEqual(readLines(project.journal), ['+', '-', '+', '-']);
  });

  for (const [what, broken, says] of [
    ['is no JavaScript', 'huey.task(function version( {', /SyntaxError/],
    ['throws', 'throw new TypeError("broken by the deploy");', /TypeError: broken by the deploy/],
    ['imports what is not there', 'await import("./nowhere.js");', /nowhere\.js/],
  ] as const) {
    it(`keeps the code from before where the module ${what}, and says so in one line`, async (t) => {
      const project = await Project.make(t);
      project.write(version('old'));
      const supervisor = await project.start();
      project.write(broken);
      await assert.rejects(supervisor.reload(), says);
      const [line, ...more] = project.logged(/not reloaded/);
      assert.match(String(line?.['error']), says);
      assert.doesNotMatch(String(line?.['error']), /\n/);
      assert.deepEqual(more, []);
      const call = project.huey.task(function version() {
        return '';
      });
      assert.equal(await (await call()).get({ blocking: true }), 'old');
      project.write(version('mended'));
      await supervisor.reload();
      assert.equal(await (await call()).get({ blocking: true }), 'mended');
    });
  }

  it('replaces no thread while the module is broken, goes on with those that are there, and fills up when it is mended', async (t) => {
    const project = await Project.make(t);
    project.write(`note('loaded'); ${version('old')} ${DIE}`);
    const supervisor = await project.start();
    await poll('both threads', () => readLines(project.journal).length === 2);
    const faults: Error[] = [];
    supervisor.on('fault', (error) => faults.push(error));
    project.write('throw new TypeError("half written");');
    const call = project.huey.task({ name: 'version' }, () => '');
    const die = project.huey.task({ name: 'die' }, (_times: number) => '');
    assert.equal(await (await die(1)).get({ blocking: true, timeout: 20 }), 'old', 'its second run, in the thread that is left');
    const line = await poll('the loss of the other', () => project.logged(/cannot be replaced/)[0]);
    assert.match(String(line['error']), /^half written/);
    assert.equal(await (await call()).get({ blocking: true }), 'old');
    project.write(version('mended'));
    await poll('a thread that has loaded the mended code', () => project.logged(/loads again/).length === 1);
    await supervisor.reload();
    assert.equal(await (await call()).get({ blocking: true }), 'mended');
    assert.deepEqual([faults, project.logged(/cannot be replaced/).length], [[], 1]);
  });

  it('fills up where one of several that start together does not load', async (t) => {
    const project = await Project.make(t);
    project.write(
      `import { openSync } from 'node:fs';
       import { setTimeout as sleep } from 'node:timers/promises';
       let number = 0;
       for (let mine = false; !mine; ) {
         try {
           openSync(${JSON.stringify(project.journal)} + '.' + number, 'wx');
           mine = true;
         } catch {
           number += 1;
         }
       }
       if (number === 1) throw new Error('the second of all');
       if (number === 2) await sleep(200);
       note('loaded');
       ${version('any')}`,
    );
    await project.start({ workers: 3 });
    await poll('three threads', () => readLines(project.journal).length === 3);
  });

  it('ends with the error of the module where no thread is left that works', async (t) => {
    const project = await Project.make(t);
    project.write(`${version('old')} ${DIE}`);
    const supervisor = await project.start({ workers: 1 });
    const faults: Error[] = [];
    supervisor.on('fault', (error) => faults.push(error));
    project.write('throw new TypeError("half written");');
    await project.huey.task({ name: 'die' }, (_times: number) => '')(9);
    await poll('the fault', () => faults.length > 0);
    assert.match(faults[0]?.message ?? '', /half written/);
    await supervisor.stop({ grace: 0 });
    assert.equal(faults.length, 1);
  });

  it('keeps the code from before where the module has no Huey', async (t) => {
    const project = await Project.make(t);
    project.write(version('old'));
    const supervisor = await project.start();
    writeFileSync(project.module, 'export const nothing = 0;\n');
    await assert.rejects(supervisor.reload(), /made no Huey/);
    const call = project.huey.task(function version() {
      return '';
    });
    assert.equal(await (await call()).get({ blocking: true }), 'old');
  });

  it('refuses another queue and another connection', async (t) => {
    const project = await Project.make(t);
    project.write(version('old'));
    const supervisor = await project.start();
    project.write(version('new'), `new SqliteHuey('another', { filename: ${JSON.stringify(path.join(project.folder, 'queue.db'))} })`);
    await assert.rejects(supervisor.reload(), { code: 'not-reloadable', message: /the queue is "another" and was/ });
    project.write(
      version('new'),
      `new SqliteHuey(${JSON.stringify(project.huey.name)}, { filename: ${JSON.stringify(path.join(project.folder, 'other.db'))} })`,
    );
    await assert.rejects(supervisor.reload(), { code: 'not-reloadable', message: /connection/ });
    assert.equal(project.logged(/not reloaded/).length, 2);
    const call = project.huey.task(function version() {
      return '';
    });
    assert.equal(await (await call()).get({ blocking: true }), 'old');
  });

  it('follows a changed crontab at once, and ticks no minute twice', async (t) => {
    const project = await Project.make(t);
    const tick = (minute: string, text: string): string =>
      `huey.periodicTask(crontab({ ${minute} }), function tick() { note('${text} ' + Math.floor(Date.now() / 60_000)); });`;
    // As if it had last ticked ten minutes ago: what a new crontab would have had since then is not owed.
    const storage = await createStorage(project.huey.name, project.huey.connection);
    t.after(() => storage.close());
    await storage.skipTicks(['tick'], Math.floor(Date.now() / 60_000) * 60_000 - 600_000);
    project.write(tick("minute: '0', hour: '0', day: '1', month: '1'", 'yearly'));
    const supervisor = await project.start();
    project.write(tick("minute: '*'", 'every minute'));
    await supervisor.reload();
    await poll('the first tick', () => readLines(project.journal).length > 0);
    // The minutes are walked anew each time; the storage knows which of them were ticked.
    for (let n = 0; n < 3; n++) {
      project.write(tick(`minute: '*', hour: '*${n === 1 ? '/1' : ''}'`, 'every minute'));
      await supervisor.reload();
    }
    await poll('the last change', () => project.logged(/^reloaded/).length === 4);
    const lines = readLines(project.journal);
    assert.deepEqual([...new Set(lines)], lines);
  });

  it('that is asked for twice while one is under way happens once more', async (t) => {
    const project = await Project.make(t);
    project.write(version('old'));
    const supervisor = await project.start();
    const all = [supervisor.reload(), supervisor.reload(), supervisor.reload()];
    project.write(version('new'));
    await Promise.all(all);
    assert.equal(project.logged(/^reloaded/).length, 2);
    const call = project.huey.task(function version() {
      return '';
    });
    assert.equal(await (await call()).get({ blocking: true }), 'new');
  });

  it('does not hold up a stop, however long the module takes to load', async (t) => {
    const project = await Project.make(t);
    project.write(version('old'));
    const supervisor = await project.start();
    project.write("note('loading'); await new Promise((resolve) => setTimeout(resolve, 600_000));");
    const reloading = assert.rejects(supervisor.reload(), { code: 'stopped' });
    await poll('the new code to load', () => readLines(project.journal).includes('loading'));
    await supervisor.stop();
    await reloading;
  });

  it('is refused before the start', async (t) => {
    const project = await Project.make(t);
    project.write(version('old'));
    for (const inline of [true, false]) {
      await assert.rejects(createSupervisor({ module: project.module, inline }).reload(), { code: 'not-running' });
    }
  });

  it('comes through a supervisor in a thread of its own, with its event', async (t) => {
    const project = await Project.make(t);
    project.write(version('old'));
    const supervisor = await project.start({ inline: false });
    const told = new Promise((resolve) => void supervisor.once('reloaded', resolve));
    project.write(version('new'));
    const summary = await supervisor.reload();
    assert.deepEqual(await told, summary);
    project.write('throw new RangeError("no");');
    await assert.rejects(supervisor.reload(), /no/);
    const call = project.huey.task(function version() {
      return '';
    });
    assert.equal(await (await call()).get({ blocking: true }), 'new');
  });
});

describe('reload of several queues', { timeout: 60_000 }, () => {
  const two = (text: string, third = ''): string => `
    import { MemoryHuey } from 'huey-runtime';
    export const one = new MemoryHuey('reload-one');
    one.task(function say() { return '${text}'; });
    export const other = new MemoryHuey('reload-other');
    other.task(function say() { return '${text}'; });
    ${third}`;

  it('reloads each, and refuses a queue that is new', async (t) => {
    const folder = await userProject(t, { 'tasks.js': two('old') });
    const module = path.join(folder, 'tasks.js');
    const supervisor = createSupervisors({ module, workers: 1, inline: true });
    t.after(() => supervisor.stop({ grace: 0 }));
    await supervisor.start();
    const queues: string[] = [];
    supervisor.on('reloaded', ({ queue }) => queues.push(queue));
    writeFileSync(module, two('new'));
    await supervisor.reload();
    assert.deepEqual(queues.sort(), ['reload-one', 'reload-other']);
    writeFileSync(module, two('newer', "export const third = new MemoryHuey('reload-third'); third.task(function say() {});"));
    await assert.rejects(supervisor.reload(), /the queue "reload-third" is new/);
    assert.equal(queues.length, 2);
  });
});

function longestGap(times: readonly number[]): number {
  return times.reduce((longest, time, n) => Math.max(longest, time - (times[n - 1] ?? time)), 0);
}
