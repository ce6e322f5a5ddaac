/** The guide, row by row, as its reader types it: a real consumer in one process, the scripts of docs/guide.md in others. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import path from 'node:path';
import { describe, it } from 'node:test';
import { cleanEnv } from '../cli/command.js';
import { poll } from '../support/poll.js';
import { GUIDE_FILES, printedBy, Reader, shortened, STORAGES } from './reader.js';
import { missLastTick, Ticks } from './ticks.js';

for (const [storageName, open] of Object.entries(STORAGES)) {
  describe(`the guide, on ${storageName}`, { concurrency: 1 }, () => {
    it('1: a call of a task is enqueued, and the consumer runs it', async (t) => {
      const reader = await Reader.open(t, { env: await open(t) });
      // Before there is a consumer: the main program does not wait for one.
      const stdout = await ask(path.join(reader.cwd, 'main.js'), reader, '100\n');
      assert.equal(stdout, `How many beans? ${printedBy('main.js').replace('How many beans? 100\n', '')}`);
      const consumer = await reader.consumer();
      await consumer.waitFor(/\[countBeans \w+\] -- counted 100 beans --$/m);
    });

    it('2: a result can be waited for, and is taken out of the storage when it is read', async (t) => {
      const reader = await Reader.open(t, { env: await open(t) });
      await reader.consumer();
      assert.equal(await reader.run('results.js'), printedBy('results.js'));
      const storage = await reader.storage();
      await poll('the removal of the value', async () => (await storage.resultCount()) === 0);
    });

    it('3: results can be turned off, and nothing is not stored', async (t) => {
      const reader = await Reader.open(t, { env: await open(t), files: { ...shortened(GUIDE_FILES), ...NOTHING } });
      const quiet = await reader.consumer(['quiet.js', '-w', '1']);
      assert.equal(await reader.run('shout.js'), printedBy('shout.js'));
      await quiet.waitFor(/ BEANS!$/m);
      assert.equal(await (await reader.storage('quiet')).resultCount(), 0);

      await reader.consumer(['nothing.js', '-w', '1']);
      assert.equal(await reader.run('call-nothing.js'), 'undefined\n');
      assert.equal(await (await reader.storage('nothing')).resultCount(), 0);
    });

    it('4: a call can be scheduled by delay and by date', async (t) => {
      const reader = await Reader.open(t, { env: await open(t) });
      await reader.consumer();
      assert.equal(await reader.run('schedule.js'), printedBy('schedule.js'));
    });

    it('5: crontabs are in UTC, or in local time with -o', async (t) => {
      const reader = await Reader.open(t, { env: await open(t), files: hourly() });
      const storage = await reader.storage();
      for (const [args, mine, other] of [
        [[], 'UTC', 'local'],
        [['-o'], 'local', 'UTC'],
      ] as const) {
        await storage.flush();
        await missLastTick(storage, ['inUtc', 'inLocal']);
        const consumer = await reader.consumer(['tasks.js', '-w', '1', ...args], { TZ: LOCAL_ZONE });
        await consumer.waitFor(new RegExp(`it is the hour in ${mine}`));
        assert.doesNotMatch(consumer.output(), new RegExp(`hour in ${other}`));
        consumer.kill('SIGTERM');
        await consumer.exited;
      }
    });

    it('6: a task that fails is tried again after its delay, and beans are counted in between', async (t) => {
      const reader = await Reader.open(t, { env: await open(t) });
      const consumer = await reader.consumer();
      assert.equal(await reader.run('retries.js'), printedBy('retries.js'));
      const lines = consumer.stdout().split('\n');
      const tries = lines.flatMap((line) => {
        const [, at] = /\] trying\.\.\.\. (\S+)$/.exec(line) ?? [];
        return at === undefined ? [] : [Date.parse(at)];
      });
      assert.equal(tries.length, 4);
      // The delay is a minimum; its end is seen by the clock of the storage, in whole ms.
      for (const [i, at] of tries.slice(1).entries()) assert.ok(at - (tries[i] ?? 0) >= 990, tries.join(' '));
      const last = lines.findLastIndex((line) => line.includes('] trying'));
      const counted = lines.flatMap((line, i) => (/counted \d beans/.test(line) ? [i] : []));
      assert.equal(counted.length, 3);
      assert.ok((counted[0] ?? last) < last, lines.join('\n'));
    });

    it('7: a periodic task runs by its crontab', async (t) => {
      const reader = await Reader.open(t, { env: await open(t) });
      await missLastTick(await reader.storage(), ['printTime']);
      const consumer = await reader.consumer();
      const [, time = ''] = await consumer.waitFor(/\] the time is (\S+)$/m);
      assert.ok(Math.abs(Date.parse(time) - Date.now()) < 60_000);
    });

    it('8: a call that is revoked never runs, one that is restored does, and a whole task can be revoked', async (t) => {
      const reader = await Reader.open(t, { env: await open(t) });
      const consumer = await reader.consumer();
      assert.equal(await reader.run('cancel.js'), printedBy('cancel.js'));
      const counted = [...consumer.stdout().matchAll(/counted (\d+) beans/g)].map(([, num]) => num);
      assert.deepEqual(counted, ['100']);
    });

    it('8: a periodic task is revoked once, until a date, and for good', async (t) => {
      const reader = await Reader.open(t, { env: await open(t) });
      const consumer = await reader.consumer(['tasks.js', '-w', '1', '--no-periodic']);
      const storage = await reader.storage();
      const ticks = new Ticks(storage, 'printTime');
      const runs = (): number => consumer.stdout().split('the time is').length - 1;
      const ran = (count: number) => poll(`${count} runs`, () => runs() === count);
      await ticks.next();
      await ran(1);

      await reader.run('pause-once.js');
      await ticks.next();
      await ticks.next();
      await ran(2);

      await reader.run('pause-until.js');
      await ticks.next();
      await ticks.next();
      await storage.revoke({ task: 'printTime' }, { once: false, untilMs: Date.now() + 50 });
      await poll('the end of the pause', async () => (await storage.readMark({ task: 'printTime' })) === undefined);
      await ticks.next();
      await ran(3);

      assert.equal(await reader.run('pause.js'), printedBy('pause.js'));
      await ticks.next();
      await ticks.next();
      assert.equal(await reader.run('resume.js'), printedBy('resume.js'));
      await ticks.next();
      await ran(4);
    });

    it('9: pipelines hand on what each stage returns: numbers, tuples, objects', async (t) => {
      const reader = await Reader.open(t, { env: await open(t) });
      await reader.consumer();
      const printed = await reader.run('pipelines.js');
      assert.equal(printed, printedBy('pipelines.js'));
      assert.deepEqual(valuesOf(printed), [
        3,
        3,
        [3, 6, 10, 15],
        [
          [2, 1],
          [3, 2],
          [5, 3],
        ],
        [
          { v1: 0, v2: 0, v3: 0 },
          { v1: 1, v2: 2, v3: 3 },
          { v1: 2, v2: 4, v3: 6 },
        ],
        [3, 7],
        10,
      ]);
    });

    it('10 and 11: a lock that is held refuses a second run, which another process sees', async (t) => {
      const reader = await Reader.open(t, { env: await open(t) });
      const consumer = await reader.consumer(['tasks.js', '-w', '3']);
      const watcher = reader.start('watch.js');
      await watcher.waitFor(/^watching$/m);
      // Consumers look once a second whether somebody listens.
      await poll('the first event', async () => {
        await reader.run('results.js');
        return watcher.output().includes('countBeans');
      });
      assert.equal(await reader.run('locking.js'), printedBy('locking.js'));
      assert.deepEqual(await watcher.exited, { code: 0, signal: null }, watcher.output());
      const seen = watcher.stdout().split('\n');
      for (const event of ['started backUp', 'locked backUp', 'locked restoreBackup', 'retrying restoreBackup', 'finished restoreBackup']) {
        assert.ok(seen.includes(event), `${event} is in\n${watcher.stdout()}`);
      }
      assert.equal(consumer.stdout().match(/-- backing up --/g)?.length, 1);
    });

    it('stopping: a call that runs is canceled, and one that runs over its time loses its thread', async (t) => {
      const reader = await Reader.open(t, { env: await open(t) });
      const consumer = await reader.consumer(['tasks.js', '-w', '2']);
      assert.equal(await reader.run('stop.js'), printedBy('stop.js'));
      await consumer.waitFor(/\[spin \w+\] -- spinning --$/m);
      await consumer.waitFor(/spin ran over its timeout and was stopped .*at="spin \(/);
    });

    it('how many at once: a tenant with much to do leaves places to the others', async (t) => {
      const reader = await Reader.open(t, { env: await open(t) });
      await reader.consumer(['tasks.js', '-w', '2']);
      assert.equal(await reader.run('tenants.js'), printedBy('tenants.js'));
    });
  });
}

const NOTHING = {
  'nothing.js': `
import { createHuey } from 'huey-runtime';
export const huey = createHuey('nothing');
export const nothing = huey.task(function nothing() {});
`,
  'call-nothing.js': `
import { nothing } from './nothing.js';
const res = await nothing();
console.log(await res({ blocking: true }));
`,
};

/** Twelve hours from UTC: no hour is the same, nor the next one. */
const LOCAL_ZONE = 'Etc/GMT-12';

/** One task for this hour (and the next: it may begin meanwhile) of each clock. */
function hourly(): Record<string, string> {
  const hours = (offset: number): string => [0, 1].map((more) => (new Date().getUTCHours() + offset + more) % 24).join(',');
  const tasks = `
import { crontab } from 'huey-runtime';
import { huey } from './config.js';
huey.periodicTask(crontab({ hour: '${hours(0)}' }), function inUtc() { console.log('it is the hour in UTC'); });
huey.periodicTask(crontab({ hour: '${hours(12)}' }), function inLocal() { console.log('it is the hour in local time'); });
`;
  return { 'config.js': GUIDE_FILES['config.js'] ?? '', 'tasks.js': tasks };
}

/** What console.log printed, one value after the other. */
function valuesOf(printed: string): unknown[] {
  const json = printed
    .trim()
    .replace(/(\w+): /g, '"$1": ')
    .split(/\n(?=[[{\d])/);
  return json.map((text) => JSON.parse(text) as unknown);
}

/** Runs a script that asks a question. */
async function ask(file: string, reader: Reader, answer: string): Promise<string> {
  const child = spawn(process.execPath, [file], {
    cwd: reader.cwd,
    env: { ...process.env, ...cleanEnv(reader.env) },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  let stdout = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stdin.end(answer);
  const code = await new Promise((resolve) => child.once('close', resolve));
  assert.equal(code, 0, stdout);
  return stdout;
}
