/** The commands beside the consumer: a look at a queue, and a hand on it. Exit codes: 0, or 1 where something is not there. */
import path from 'node:path';
import { cancel } from '../src/api/cancel.js';
import { HueyException } from '../src/runtime/errors.js';
import { checkId } from '../src/runtime/ids.js';
import { DEAD_MAX, RESULT_TTL_MS } from '../src/runtime/limits.js';
import { createStorage } from '../src/runtime/storage/create.js';
import type { Counts, MarkTarget, Place, Storage } from '../src/runtime/storage.js';
import { describeFailure } from './failure.js';
import { columnsOf, describe } from './listed-task.js';
import { livingWriter } from './pid-file.js';
import { findQueue, moduleOfTool, type QueuePlace } from './queue-place.js';
import { asUsageError } from './settings.js';
import { printable, table } from './table.js';
import type { ToolCall } from './tool-line.js';
import { LIST_LIMIT } from './tool-options.js';
import { UsageError } from './values.js';

/** What a tool found or did: a document for programs, lines for people. */
interface Answer {
  document: Record<string, unknown>;
  text: string;
  /** Something that was asked for is not there. */
  isMissing?: boolean;
}

/** Resolves with the exit code. @throws UsageError */
export async function runTool(call: ToolCall): Promise<number> {
  let answer: Answer;
  try {
    if (call.tool === 'reload' && !call.values.flag('all')) return tell(call, signalReload(call));
    const place = await findQueue(call.values);
    answer = await withStorage(place, (storage) => answerTo(call, place, storage));
  } catch (error) {
    if (error instanceof UsageError) throw error;
    return fail(error, call);
  }
  return tell(call, answer);
}

function tell(call: ToolCall, { document, text, isMissing = false }: Answer): number {
  if (call.values.flag('json')) process.stdout.write(`${JSON.stringify(document)}\n`);
  else (isMissing ? process.stderr : process.stdout).write(`${text}\n`);
  return isMissing ? 1 : 0;
}

async function withStorage<T>({ queue, connection }: QueuePlace, use: (storage: Storage) => Promise<T>): Promise<T> {
  const storage = await createStorage(queue, connection);
  // Who reads an error that says "no answer" wants to know why.
  let outage: Error | undefined;
  storage.listen({ onOutage: (lost, error) => (outage = lost ? error : undefined) });
  try {
    return await use(storage);
  } catch (error) {
    if (outage !== undefined && error instanceof HueyException) throw new HueyException(`${error.message} (${outage.message})`, error.code);
    throw error;
  } finally {
    await storage.close().catch(() => undefined);
  }
}

function answerTo(call: ToolCall, place: QueuePlace, storage: Storage): Promise<Answer> {
  switch (call.tool) {
    case 'status':
      return status(place, storage);
    case 'pending':
      return list('ready', call, place, storage);
    case 'scheduled':
    case 'running':
      return list(call.tool, call, place, storage);
    case 'dead list':
      return list('dead', call, place, storage);
    case 'dead show':
      return show(call, place, storage);
    case 'dead retry':
      return each(call, place, { done: 'retried', what: 'dead task' }, (id) => storage.retryDead(id));
    case 'dead drop':
      return each(call, place, { done: 'dropped', what: 'dead task' }, (id) => storage.dropDead(id));
    case 'revoke':
      return revoke(call, place, storage);
    case 'restore':
      return restore(call, place, storage);
    case 'cancel':
      return each(call, place, { done: 'canceled', what: 'waiting or running task' }, (id) => cancelOne(id, place, storage));
    case 'reload':
      return reloadAll(place, storage);
    case 'flush':
      return flush(place, storage);
  }
}

async function status({ queue }: QueuePlace, storage: Storage): Promise<Answer> {
  const { ready, ...others } = await storage.counts();
  const counts = { pending: ready, ...others };
  const columns = [
    { title: 'QUEUE', of: () => queue },
    ...Object.entries(counts).map(([name, count]) => ({ title: name.toUpperCase(), of: () => count })),
    { title: 'STORAGE', of: () => storage.address },
  ];
  return { document: { queue, storage: storage.address, ...counts }, text: table(columns, [queue]) };
}

async function list(place: Place, { values }: ToolCall, { queue, codec }: QueuePlace, storage: Storage): Promise<Answer> {
  const limit = values.number('limit') ?? LIST_LIMIT;
  const withArgs = values.flag('args');
  const listed = await storage.list(place, limit);
  const total = Math.max(listed.length, (await storage.counts())[place satisfies keyof Counts]);
  const tasks = listed.map((one) => describe(one, codec, withArgs));
  const more = total > tasks.length ? `\n... and ${total - tasks.length} more; --limit shows more` : '';
  const text = tasks.length === 0 ? 'none' : table(columnsOf(place, withArgs), tasks) + more;
  return { document: { queue, total, tasks }, text };
}

async function show({ ids }: ToolCall, { queue }: QueuePlace, storage: Storage): Promise<Answer> {
  const [id = ''] = ids;
  const found = (await storage.list('dead', DEAD_MAX)).find((one) => one.id === id);
  if (found === undefined) return missing(queue, [id], { found: false });
  const { text, reason, at } = found;
  // Byte for byte where a program or a file takes it.
  const shown = process.stdout.isTTY ? printable(text) : text;
  return { document: { queue, id, reason, since: at === undefined ? undefined : new Date(at).toISOString(), message: text }, text: shown };
}

async function each(
  { ids }: ToolCall,
  { queue }: QueuePlace,
  { done, what }: { done: string; what: string },
  act: (id: string) => Promise<boolean>,
): Promise<Answer> {
  const succeeded: string[] = [];
  const failed: string[] = [];
  for (const id of ids) ((await act(id)) ? succeeded : failed).push(id);
  const document = { queue, [done]: succeeded, missing: failed };
  if (failed.length > 0) return missing(queue, failed, document, what);
  return { document, text: `${done} ${succeeded.join(', ')}` };
}

async function revoke(call: ToolCall, { queue }: QueuePlace, storage: Storage): Promise<Answer> {
  const { values, untilMs } = call;
  const once = values.flag('once');
  await storage.revoke(targetOf(call), { once, untilMs: untilMs ?? 0 });
  const until = untilMs === undefined ? {} : { until: new Date(untilMs).toISOString() };
  const how = [...(once ? ['once'] : []), ...Object.entries(until).map(([word, date]) => `${word} ${date}`)].join(', ');
  return { document: { queue, revoked: targetOf(call), once, ...until }, text: `revoked ${nameOf(call)}${how === '' ? '' : `, ${how}`}` };
}

async function restore(call: ToolCall, { queue }: QueuePlace, storage: Storage): Promise<Answer> {
  const restored = await storage.restore(targetOf(call));
  const document = { queue, target: targetOf(call), restored };
  if (!restored) return { document, text: `huey-runtime: ${nameOf(call)} is not revoked in the queue ${queue}`, isMissing: true };
  return { document, text: `restored ${nameOf(call)}` };
}

/** @throws UsageError */
function cancelOne(id: string, { codec }: QueuePlace, storage: Storage): Promise<boolean> {
  return cancel(storage, checkedId(id), { codec, resultTtlMs: RESULT_TTL_MS });
}

async function reloadAll({ queue }: QueuePlace, storage: Storage): Promise<Answer> {
  const consumers = await storage.requestReload();
  const document = { queue, consumers };
  if (consumers === 0) return { document, text: `huey-runtime: no consumer of the queue ${queue} runs`, isMissing: true };
  return {
    document,
    text: `asked ${consumers} ${consumers === 1 ? 'consumer' : 'consumers'} of the queue ${queue} to reload; their logs say how it went`,
  };
}

function signalReload({ values }: ToolCall): Answer {
  const file = path.resolve(values.text('pid-file') ?? '');
  const pid = livingWriter(file);
  const document = { pidFile: file, pid };
  if (pid === undefined) return { document, text: `huey-runtime: no process runs under ${file}`, isMissing: true };
  process.kill(pid, 'SIGHUP');
  return { document, text: `asked process ${pid} to reload; its log says how it went` };
}

async function flush({ queue }: QueuePlace, storage: Storage): Promise<Answer> {
  const { ready, scheduled, dead } = await storage.counts();
  await storage.flush();
  const removed = { pending: ready, scheduled, dead };
  const counts = Object.entries(removed).map(([name, count]) => `${count} ${name}`);
  return {
    document: { queue, removed },
    text: `removed everything of the queue ${queue}: ${counts.join(', ')}, and all that belongs to it`,
  };
}

function missing(queue: string, ids: readonly string[], document: Record<string, unknown>, what = 'dead task'): Answer {
  const text = `huey-runtime: no ${what} ${ids.map(printable).join(', ')} in the queue ${queue}`;
  return { document: { queue, ...document }, text, isMissing: true };
}

/** @throws UsageError */
function targetOf({ ids, values }: ToolCall): MarkTarget {
  const task = values.text('task');
  if (task !== undefined) return { task };
  return { id: checkedId(ids[0]) };
}

/** @throws UsageError */
function checkedId(id: unknown): string {
  try {
    return checkId(id);
  } catch (error) {
    throw asUsageError(error);
  }
}

function nameOf({ ids, values }: ToolCall): string {
  const task = values.text('task');
  return task === undefined ? `call ${ids[0]}` : `task ${printable(task)}`;
}

function fail(error: unknown, { values }: ToolCall): number {
  const module = moduleOfTool(values);
  const text =
    module === undefined || error instanceof HueyException
      ? error instanceof Error
        ? error.message
        : String(error)
      : describeFailure(error, module, 'cannot look');
  if (values.flag('json')) process.stdout.write(`${JSON.stringify({ error: text })}\n`);
  process.stderr.write(`huey-runtime: ${text}\n`);
  return 1;
}
