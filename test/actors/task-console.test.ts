/** What tasks write with console comes out with their name and id, at once, in order, and within bounds. */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import type { CreateSupervisorOptions } from '../../src/actors/create-supervisor.js';
import { costOf, OUTPUT_MAX_COST } from '../../src/actors/output-budget.js';
import type { TaskLine } from '../../src/actors/task-lines.js';
import { startNode } from '../support/child.js';
import { poll } from '../support/poll.js';
import { ConsumerWorld, fixtureUrl, type Mode, type StorageKind } from './consumer-world.js';

type Tasks = typeof import('../fixtures/talking-tasks.js');

const WAIT = { blocking: true, timeout: 30 } as const;
const SUPERVISOR = new URL('../../src/actors/index.js', import.meta.url).href;

interface Stage {
  world: ConsumerWorld;
  tasks: Tasks;
  /** What came out so far. */
  lines: TaskLine[];
  start: (options?: Partial<CreateSupervisorOptions>) => Promise<void>;
}

async function open(t: TestContext, kind: StorageKind = 'memory', mode: Mode = 'inline'): Promise<Stage> {
  const world = await ConsumerWorld.make(t, { kind, mode });
  const tasks = (await import(fixtureUrl('talking-tasks', world.queue, world.url).href)) as Tasks;
  t.after(() => tasks.huey.close());
  const lines: TaskLine[] = [];
  return {
    world,
    tasks,
    lines,
    start: async (options = {}) => {
      await world.start({ file: 'talking-tasks', workers: 1, output: (line) => void lines.push(line), ...options });
    },
  };
}

describe('console in a task', () => {
  for (const [kind, mode] of [
    ['memory', 'inline'],
    ['sqlite', 'embedded'],
  ] as const) {
    it(`comes out with name and id, ${mode}`, async (t) => {
      const { tasks, lines, start } = await open(t, kind, mode);
      await start();
      const res = await tasks.talk('green beans');
      await res.get(WAIT);
      await poll('the line', () => lines.length > 0);
      assert.deepEqual(lines, [{ level: 'info', text: 'green beans has 2 words', task: 'talk', id: res.id }]);
    });
  }

  it('keeps what its methods do: format, groups, tables, in their order', async (t) => {
    const { tasks, lines, start } = await open(t);
    await start();
    const res = await tasks.everyMethod();
    await res.get(WAIT);
    await poll('the last line', () => lines.some(({ text }) => text.startsWith('Trace: ')));
    assert.ok(lines.every(({ task, id }) => task === 'everyMethod' && id === res.id));
    const [table, trace] = lines.splice(-2);
    assert.match(table?.text ?? '', /^┌.*\n│ \(index\) │ 0 /);
    assert.match(trace?.text ?? '', /^Trace: trace\n +at .*everyMethod .*talking-tasks/);
    assert.equal(trace?.level, 'error');
    assert.deepEqual(
      lines.map(({ level, text }) => [level, text]),
      [
        ['info', 'log'],
        ['info', 'info'],
        ['info', 'debug'],
        ['info', '{ dir: 1 }'],
        ['info', 'group'],
        ['warn', '  warn'],
        ['error', '  two\n  lines'],
        ['warn', 'Assertion failed: assert'],
        ['info', 'default: 1'],
      ],
    );
  });

  it('tells tasks apart that run in one thread at once', async (t) => {
    const { world, tasks, lines, start } = await open(t);
    const gate = path.join(world.folder, 'gate');
    await start({ concurrency: 3 });
    const handles = await Promise.all(['a', 'b', 'c'].map((name) => tasks.talkTwice(name, gate)));
    await poll('three beginnings', () => lines.length === 3);
    await writeFile(gate, '');
    await Promise.all(handles.map((one) => one.get(WAIT)));
    await poll('three ends', () => lines.length === 6);
    for (const [i, name] of ['a', 'b', 'c'].entries()) {
      const its = lines.filter(({ id }) => id === handles[i]?.id).map(({ text }) => text);
      assert.deepEqual(its, [`${name} begins`, `${name} ends`]);
    }
  });

  it('belongs to its task also in a timer that the task left behind, and to none while the module loads', async (t) => {
    const { world, tasks, lines } = await open(t);
    const module = fixtureUrl('talking-tasks', world.queue, world.url);
    module.searchParams.set('loud', '1');
    const consumer = world.consumer({ workers: 1, output: (line) => void lines.push(line), module });
    await consumer.start();
    const res = await tasks.leaveTimer();
    await poll('two lines', () => lines.length === 2);
    assert.deepEqual(lines, [
      { level: 'info', text: 'the module loads' },
      { level: 'info', text: 'from a timer', task: 'leaveTimer', id: res.id },
    ]);
  });

  it('is shown at once, though the task then never gives its thread a turn', async (t) => {
    const { tasks, lines, start } = await open(t);
    await start();
    const res = await tasks.talkAndSpin();
    await poll('both lines', () => lines.length === 2);
    assert.deepEqual(
      lines.map(({ text }) => text),
      ['first', 'second'],
    );
    // It was still running when they came: only so it can be canceled.
    assert.equal(await res.cancel(), true);
  });

  it('is shown to the last line where the task takes its thread down', async (t) => {
    const { tasks, lines, start } = await open(t);
    await start();
    const count = 200;
    await assert.rejects((await tasks.talkAndExit(count)).get(WAIT), { name: 'TaskDead' });
    const once = Array.from({ length: count }, (_, i) => `last words ${i}`);
    // It ran four times before it was put aside.
    assert.deepEqual(
      lines.map(({ text }) => text),
      [...once, ...once, ...once, ...once],
    );
  });

  it('is shown while a canceled task ends', async (t) => {
    const { tasks, lines, start } = await open(t);
    await start();
    const res = await tasks.talkWhenCanceled();
    await poll('the first line', () => lines.length === 1);
    await res.cancel();
    await poll('the second line', () => lines.length === 2);
    assert.equal(lines[1]?.text, 'asked to stop');
  });

  it('comes whole in a burst that is larger than what may be under way', async (t) => {
    const { tasks, lines, start } = await open(t, 'sqlite', 'embedded');
    await start();
    const count = 3 * Math.ceil(OUTPUT_MAX_COST / costOf(''));
    await (await tasks.burst(count)).get(WAIT);
    await poll('the last line', () => lines.at(-1)?.text === `line ${count - 1}`);
    assert.equal(lines.length, count);
  });

  it('is dropped and counted where nobody takes it, and the task goes on', async (t) => {
    const { tasks, lines, start } = await open(t);
    let take: () => void = () => undefined;
    const taken = new Promise<void>((resolve) => {
      take = resolve;
    });
    await start({
      output: (line) => {
        lines.push(line);
        return taken;
      },
    });
    const count = 20_000;
    await (await tasks.burst(count)).get(WAIT);
    await poll('all that was posted', () => lines.length * costOf('') >= OUTPUT_MAX_COST / 2);
    const held = lines.length;
    assert.ok(held <= OUTPUT_MAX_COST / costOf(''), `${held} lines were under way`);
    take();
    const told = await poll('what was dropped', () => lines.find(({ text }) => text.includes('dropped')));
    assert.equal(told.text, `... ${count - held} lines dropped: they came faster than they could be written`);
    assert.deepEqual([told.level, told.task], ['warn', 'burst']);
    // There is room again.
    await (await tasks.talk('more beans')).get(WAIT);
    await poll('a line after that', () => lines.at(-1)?.text === 'more beans has 2 words');
  });

  it('is cut where one line is larger than all that may be under way', async (t) => {
    const { tasks, lines, start } = await open(t);
    await start();
    await (await tasks.longLine(2 * OUTPUT_MAX_COST)).get(WAIT);
    await poll('the line', () => lines.length === 1);
    const { text = '' } = lines[0] ?? {};
    const [, more = ''] = /^x+\.\.\. \((\d+) more characters\)$/.exec(text) ?? [];
    assert.equal(text.indexOf('.') + Number(more), 2 * OUTPUT_MAX_COST);
    assert.ok(text.length <= OUTPUT_MAX_COST);
  });

  for (const [output, expected] of [
    ['tagged', (id: string) => ({ stdout: `[talk ${id}] beans has 1 words\n`, stderr: '' })],
    ['plain', () => ({ stdout: 'beans has 1 words\n', stderr: '' })],
  ] as const) {
    it(`goes to the host's streams, ${output}`, async (t) => {
      const { world, tasks } = await open(t, 'sqlite', 'embedded');
      const options = { module: fixtureUrl('talking-tasks', world.queue, world.url).href, workers: 1, output };
      const script = path.join(world.folder, 'host.mjs');
      await writeFile(
        script,
        `import { createSupervisor } from ${JSON.stringify(SUPERVISOR)};
         const supervisor = createSupervisor(${JSON.stringify(options)});
         await supervisor.start();
         process.once('SIGTERM', () => supervisor.stop());`,
      );
      const host = startNode([script]);
      t.after(async () => void (await host.stop()));
      const res = await tasks.talk('beans');
      await res.get(WAIT);
      await host.waitFor(/words\n/);
      host.kill('SIGTERM');
      assert.deepEqual(await host.exited, { code: 0, signal: null });
      assert.deepEqual({ stdout: host.stdout(), stderr: host.stderr() }, expected(res.id));
    });
  }

  it('refuses a destination that is none', async (t) => {
    const { world } = await open(t);
    assert.throws(() => world.consumer({ output: 'tag' as never }), { code: 'bad-option', message: /^output must be/ });
  });
});
