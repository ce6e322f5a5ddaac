/** The commands beside the consumer: what they show of a queue, what they change in it, and how they fail. */
import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { readCommandLine } from '../../bin/command-line.js';
import { UsageError } from '../../bin/values.js';
import { encodeRecord } from '../../src/runtime/completion.js';
import { encodeHead } from '../../src/runtime/message.js';
import { createStorage } from '../../src/runtime/storage/create.js';
import type { Storage } from '../../src/runtime/storage.js';
import { SqliteHuey, RedisHuey, TaskCanceled, type Huey } from '../../src/api/index.js';
import { startRedis } from '../support/redis.js';
import { tempDir } from '../support/temp-dir.js';
import { GOOD_MODULE, runCommand, userProject, type CommandEnd } from './command.js';

const QUEUE = 'beans';

interface Setup {
  url: string;
  huey: Huey;
  storage: Storage;
}

const STORAGES: Record<string, (t: TestContext) => Promise<Setup>> = {
  SQLite: async (t) => {
    const filename = path.join(await tempDir(t), 'queue.db');
    return open(t, `sqlite:${filename}`, new SqliteHuey(QUEUE, { filename }));
  },
  Redis: async (t) => {
    const server = await startRedis();
    t.after(() => server.stop());
    return open(t, server.url, new RedisHuey(QUEUE, { url: server.url }));
  },
};

async function open(t: TestContext, url: string, huey: Huey): Promise<Setup> {
  const storage = await createStorage(QUEUE, huey.connection);
  await storage.open();
  t.after(async () => {
    await huey.close();
    await storage.close();
  });
  return { url, huey, storage };
}

for (const [name, setUp] of Object.entries(STORAGES)) {
  describe(`the tools, on ${name}`, () => {
    it('show what waits, runs and is dead: a table for people, a document for programs', async (t) => {
      const { url, huey, storage } = await setUp(t);
      const run = (...args: string[]) => tool(t, [...args, '--queue', QUEUE, '--url', url]);
      const send = huey.task({ name: 'mail.send', priority: 7, retries: 2 }, (_to: string) => undefined);
      await send.withOptions({ id: 'now-1' })('secret@example.org');
      await send.withOptions({ id: 'later-1', eta: new Date('2031-01-31T12:00:00Z') })('secret@example.org');
      await buryOne(storage, 'dead-1');

      const status = await run('status');
      assert.match(status.stdout, /^QUEUE +PENDING +SCHEDULED +RUNNING +DEAD +CONSUMERS +STORAGE\nbeans +1 +1 +0 +1 +1 +\S+\n$/);
      const { storage: address, ...counts } = JSON.parse((await run('status', '--json')).stdout) as Record<string, unknown>;
      assert.equal(address, storage.address);
      assert.deepEqual(counts, { queue: QUEUE, pending: 1, scheduled: 1, running: 0, dead: 1, consumers: 1 });

      const pending = await run('pending');
      assert.match(
        pending.stdout,
        /^ID +TASK +PRIORITY +RETRIES +ENQUEUED +EXPIRES\nnow-1 +mail\.send +7 +2 +\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ +-\n$/,
      );
      assert.match((await run('scheduled')).stdout, /later-1 +mail\.send +7 +2 +2031-01-31 12:00:00Z\n$/);
      assert.equal((await run('running')).stdout, 'none\n');
      assert.match((await run('dead', 'list')).stdout, /dead-1 +boom +\d{4}-\S+ \S+Z +it killed its thread\n$/);

      const shown = `${pending.stdout}${(await run('pending', '--json')).stdout}`;
      assert.doesNotMatch(shown, /secret/);
      const document = JSON.parse((await run('pending', '--json', '--args')).stdout) as { total: number; tasks: Record<string, unknown>[] };
      assert.equal(document.total, 1);
      assert.deepEqual(document.tasks[0]?.['args'], ['secret@example.org']);
      assert.match((await run('scheduled', '--args')).stdout, /\["secret@example\.org"\]\n$/);
    });

    it('show as much as is asked for, and say that there is more', async (t) => {
      const { url, huey } = await setUp(t);
      const count = huey.task(function count(_n: number) {});
      await count.map([1, 2, 3]);
      const { stdout } = await tool(t, ['pending', '--limit', '2', '--queue', QUEUE, '--url', url]);
      assert.equal(stdout.split('\n').length, 5);
      assert.match(stdout, /\n\.\.\. and 1 more; --limit shows more\n$/);
    });

    it('show a dead message byte for byte, enqueue it again, and remove it', async (t) => {
      const { url, storage } = await setUp(t);
      const run = (...args: string[]) => tool(t, [...args, '--queue', QUEUE, '--url', url]);
      const text = await buryOne(storage, 'dead-1');
      await buryOne(storage, 'dead-2');
      await buryOne(storage, 'dead-3');
      assert.equal((await run('dead', 'show', 'dead-1')).stdout, `${text}\n`);
      assert.equal((JSON.parse((await run('dead', 'show', 'dead-1', '--json')).stdout) as { message: string }).message, text);

      assert.deepEqual(await run('dead', 'retry', 'dead-1'), { code: 0, stdout: 'retried dead-1\n', stderr: '' });
      assert.equal((await storage.counts()).ready, 1);
      const again = await run('dead', 'retry', 'dead-1', 'dead-2');
      assert.deepEqual(again, { code: 1, stdout: '', stderr: 'huey-runtime: no dead task dead-1 in the queue beans\n' });

      assert.equal((await run('dead', 'drop', 'dead-3', '--json')).stdout, '{"queue":"beans","dropped":["dead-3"],"missing":[]}\n');
      assert.equal((await run('dead', 'show', 'dead-3')).code, 1);
      assert.equal((await storage.counts()).dead, 0);
    });

    it('revoke and restore a call, and every call of a task', async (t) => {
      const { url, storage } = await setUp(t);
      const run = (...args: string[]) => tool(t, [...args, '--queue', QUEUE, '--url', url]);
      assert.deepEqual(await run('revoke', 'call-1'), { code: 0, stdout: 'revoked call call-1\n', stderr: '' });
      assert.equal((await storage.readMark({ id: 'call-1' }))?.once, false);
      const until = await run('revoke', '--task', 'mail.send', '--once', '--until', '2031-01-31T12:00:00Z');
      assert.equal(until.stdout, 'revoked task mail.send, once, until 2031-01-31T12:00:00.000Z\n');
      assert.deepEqual(await storage.readMark({ task: 'mail.send' }), { once: true, untilMs: Date.UTC(2031, 0, 31, 12) });

      assert.equal((await run('restore', 'call-1')).stdout, 'restored call call-1\n');
      assert.equal((await run('restore', '--task', 'mail.send', '--json')).code, 0);
      const none = await run('restore', 'call-1');
      assert.deepEqual(none, { code: 1, stdout: '', stderr: 'huey-runtime: call call-1 is not revoked in the queue beans\n' });
    });

    it('cancel calls that wait or are scheduled, linked ones too', async (t) => {
      const { url, huey, storage } = await setUp(t);
      const run = (...args: string[]) => tool(t, [...args, '--queue', QUEUE, '--url', url]);
      const add = huey.task({ name: 'add' }, (a: number, b: number) => a + b);
      const [head, stage] = await huey.enqueue(add.withOptions({ id: 'now-1' }).s(1, 2).pipe(add, 3));
      const later = await add.withOptions({ id: 'later-1', delay: 365 * 86_400 })(1, 2);
      assert.deepEqual(await run('cancel', 'now-1', 'later-1'), { code: 0, stdout: 'canceled now-1, later-1\n', stderr: '' });
      for (const res of [head, stage, later]) await assert.rejects(res.get({ blocking: true }), TaskCanceled);
      const { ready, scheduled } = await storage.counts();
      assert.deepEqual({ ready, scheduled }, { ready: 0, scheduled: 0 });

      const none = await run('cancel', 'now-1', 'nobody');
      assert.deepEqual(none, {
        code: 1,
        stdout: '',
        stderr: 'huey-runtime: no waiting or running task now-1, nobody in the queue beans\n',
      });
      await add.withOptions({ id: 'now-2' })(1, 2);
      const document = { queue: QUEUE, canceled: ['now-2'], missing: ['nobody'] };
      assert.deepEqual(JSON.parse((await run('cancel', 'now-2', 'nobody', '--json')).stdout), document);
      assert.equal((await run('cancel', 'no id')).code, 2);
    });

    it('flush, where that is meant', async (t) => {
      const { url, huey, storage } = await setUp(t);
      await huey.task(function hello() {})();
      assert.equal((await tool(t, ['flush', '--queue', QUEUE, '--url', url])).code, 2);
      assert.equal((await storage.counts()).ready, 1);
      const { code, stdout } = await tool(t, ['flush', '--yes', '--queue', QUEUE, '--url', url]);
      assert.equal(code, 0);
      assert.match(stdout, /^removed everything of the queue beans: 1 pending, 0 scheduled, 0 dead/);
      assert.equal((await storage.counts()).ready, 0);
    });
  });
}

describe('the queue of a tool', () => {
  it('is found by its name, as createHuey finds it', async (t) => {
    const cwd = await userProject(t, {});
    await mkdir(path.join(cwd, '.huey'));
    const huey = new SqliteHuey('peas', { filename: path.join(cwd, '.huey/peas.db') });
    await huey.task(function hello() {})();
    await huey.close();
    const { stdout } = await runCommand(t, ['status', '--queue', 'peas'], { cwd });
    assert.match(stdout, /\npeas +1 /);
    assert.match((await runCommand(t, ['status'], { cwd, env: { HUEY_QUEUE: 'peas' } })).stdout, /\npeas +1 /);
  });

  it('is found in the module, which is loaded in a thread and may write what it likes', async (t) => {
    const module = `
import { SqliteHuey } from 'huey-runtime';
console.log('a line while it loads');
export const huey = new SqliteHuey('peas');
export const other = new SqliteHuey('pods');
export const hello = huey.task(function hello() {});
if (process.argv[1]?.endsWith('call.js')) await hello();
`;
    const cwd = await userProject(t, { 'tasks.js': module, 'call.js': "await import('./tasks.js');\n" });
    const { startNode } = await import('../support/child.js');
    assert.equal((await startNode([path.join(cwd, 'call.js')], { cwd }).exited).code, 0);
    const { code, stdout, stderr } = await runCommand(t, ['status', '--module', 'tasks.js', '--json'], { cwd });
    assert.equal(code, 0, stderr);
    assert.equal((JSON.parse(stdout) as { pending: number }).pending, 1);
    assert.match(stderr, /^a line while it loads\n$/);
    const other = await runCommand(t, ['status', '--module', 'tasks.js', '--huey', 'pods'], { cwd });
    assert.match(other.stderr, /there is no queue pods/);
  });

  it('that is not there, or cannot be seen, is exit code 1 and one line', async (t) => {
    const cwd = await userProject(t, { 'tasks.js': GOOD_MODULE, 'broken.js': 'throw new Error("no beans");\n' });
    const wrong: [args: string[], says: RegExp][] = [
      [['status', '--queue', 'nowhere'], /there is no queue nowhere: the file \S+nowhere\.db does not exist/],
      [['status', '--module', 'tasks.js'], /memory of a process/],
      [['status', '--module', 'broken.js'], /cannot look: broken\.js does not load: Error: no beans/],
    ];
    for (const [args, says] of wrong) {
      const { code, stdout, stderr } = await runCommand(t, args, { cwd });
      assert.equal(code, 1, args.join(' '));
      assert.equal(stdout, '');
      assert.match(stderr, says);
    }
  });

  it('on a server that does not answer is exit code 1, with the reason', async (t) => {
    const { code, stderr } = await tool(t, ['status', '--queue', QUEUE, '--url', 'redis://127.0.0.1:1']);
    assert.equal(code, 1);
    assert.match(stderr, /^huey-runtime: .*(ECONNREFUSED|connect)[^\n]*\n$/);
  });
});

describe('the command line of a tool', () => {
  it('is explained by --help', async (t) => {
    const all = await tool(t, ['--help']);
    for (const word of ['status', 'pending', 'scheduled', 'running', 'dead list', 'dead show', 'revoke', 'restore', 'flush']) {
      assert.match(all.stdout, new RegExp(`huey-runtime ${word} `), word);
    }
    const { code, stdout } = await tool(t, ['revoke', '--help']);
    assert.equal(code, 0);
    assert.match(stdout, /^Usage: huey-runtime revoke \[ID\]/);
    assert.match(stdout, /--until/);
    assert.doesNotMatch(stdout, /--limit/);
  });

  it('is refused in one line, where it cannot work', async () => {
    const wrong: [args: string[], says: RegExp][] = [
      [['status'], /name the queue: huey-runtime status --queue NAME/],
      [['status', '--queue', 'a', '--module', 'b.js'], /--queue and --module/],
      [['status', 'beans', '--queue', 'a'], /what is "beans"\?/],
      [['status', '--queue', 'a', '--limit', '3'], /unknown option --limit/],
      [['pending', '--queue', 'a', '--limt', '3'], /did you mean --limit\?/],
      [['pending', '--queue', 'a', '--limit', '0'], /--limit is 0/],
      [['dead'], /dead is followed by one of list, show, retry, drop/],
      [['dead', 'lst'], /did you mean huey-runtime dead list\?/],
      [['dead', 'show', '--queue', 'a'], /name the id/],
      [['dead', 'show', 'a', 'b', '--queue', 'a'], /what is "b"\?/],
      [['revoke', '--queue', 'a'], /either the id of a call, or --task/],
      [['revoke', 'x', '--task', 'y', '--queue', 'a'], /either the id of a call, or --task/],
      [['revoke', 'x', '--until', 'tomorrow', '--queue', 'a'], /--until takes a date/],
      [['flush', '--queue', 'a'], /add --yes/],
      [['--quiet', 'status'], /status comes first/],
      [['cancle', 'x', '--queue', 'a'], /no command cancle; did you mean huey-runtime cancel\?/],
      [['statsu'], /no command statsu; did you mean huey-runtime status\?/],
      [['beans', 'x', '--queue', 'a'], /unknown option --queue/],
    ];
    for (const [args, says] of wrong)
      await assert.rejects(readCommandLine(args, {}), (error) => error instanceof UsageError && says.test(error.message), args.join(' '));
  });

  it('goes before the environment: a queue that is named, before a module that is not', async () => {
    const env = { HUEY_QUEUE: 'peas', HUEY_MODULE: 'tasks.js' };
    for (const [args, queue, module] of [
      [[], 'peas', undefined],
      [['--queue', 'pods'], 'pods', undefined],
      [['--module', 'other.js'], undefined, 'other.js'],
    ] as const) {
      const command = await readCommandLine(['status', ...args], env);
      assert.equal(command.kind, 'tool');
      assert.deepEqual([command.call.values.text('queue'), command.call.values.text('module')], [queue, module]);
    }
  });
});

function tool(t: TestContext, args: readonly string[]): Promise<CommandEnd> {
  return runCommand(t, args);
}

/** As a consumer does it with a task that killed its threads. Gives the message. */
async function buryOne(storage: Storage, id: string): Promise<string> {
  const head = { id, name: 'boom', attempts: 0, retries: 0, lapses: 0, deaths: 0, priority: 0, timeoutMs: 0, expiresAt: 0 };
  const text = `["${encodeHead({ ...head, priority: 4000 })}",{"args":["\\u0007"],"at":1}]`;
  const consumer = 'undertaker';
  await storage.register(consumer, 60_000);
  await storage.enqueue([{ text }]);
  seq += 1;
  const call = { consumer, lane: 0, seq, completions: [], transitions: [], chunks: 1, chunkSize: 1, solo: false };
  const { chunks } = await storage.step(call);
  assert.match(chunks[0]?.text ?? '', new RegExp(id));
  seq += 1;
  const reason = 'it killed its thread';
  const record = encodeRecord('dead', JSON.stringify({ error: reason }));
  const { committed } = await storage.step({
    ...call,
    seq,
    chunks: 0,
    transitions: [{ kind: 'bury', id, text, reason, record, ttlSeconds: 600 }],
  });
  assert.equal(committed, 1);
  return text;
}

let seq = 0;
