/** Which queue a tool is for, and where it is kept: by name, as createHuey finds it, or by the user's module. */
import { existsSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { scanModule } from '../src/actors/module-scan.js';
import { checkQueueName, parseConnectionUrl, resolveConnection, type ConnectionSpec } from '../src/runtime/connection.js';
import { ConfigurationError, HueyException } from '../src/runtime/errors.js';
import { PayloadCodec } from '../src/runtime/payload-codec.js';
import { asUsageError, moduleOf, urlOf } from './settings.js';
import type { ToolOptionName } from './tool-options.js';
import { UsageError, type Values } from './values.js';

export interface QueuePlace {
  queue: string;
  connection: ConnectionSpec;
  /** For arguments: by the module's settings where there is one, so that signed messages can be read. */
  codec: PayloadCodec;
}

/** @throws UsageError, HueyException; or what the module throws. */
export async function findQueue(values: Values<ToolOptionName>, cwd: string = process.cwd()): Promise<QueuePlace> {
  const place = await (values.text('queue') === undefined ? ofModule(values, cwd) : byName(values, cwd));
  checkVisible(place);
  return place;
}

async function byName(values: Values<ToolOptionName>, cwd: string): Promise<QueuePlace> {
  try {
    const queue = checkQueueName(values.text('queue'));
    const url = urlOf(values);
    const connection = url === undefined ? resolveConnection(queue, { cwd }).connection : parseConnectionUrl(url, queue, { cwd });
    return { queue, connection, codec: new PayloadCodec(queue) };
  } catch (error) {
    throw asUsageError(error);
  }
}

async function ofModule(values: Values<ToolOptionName>, cwd: string): Promise<QueuePlace> {
  const module = moduleOf(values, cwd);
  const question = { module: pathToFileURL(module).href, huey: values.text('huey'), all: false };
  const [found] = await scanModule(question, values.list('import')).found;
  if (found === undefined) throw new ConfigurationError('the module made no Huey', 'no-huey');
  const { queue, settings } = found;
  const url = urlOf(values);
  const connection = url === undefined ? found.connection : parseConnectionUrl(url, queue, { cwd });
  return { queue, connection, codec: new PayloadCodec(queue, settings.payload) };
}

/** A look at a queue makes no file, and a memory is seen from its own process alone. */
function checkVisible({ queue, connection }: QueuePlace): void {
  if (connection.kind === 'memory') {
    throw new HueyException(`the queue ${queue} is kept in the memory of a process; no other one can see it`, 'not-visible');
  }
  if (connection.kind === 'sqlite' && !existsSync(connection.filename)) {
    throw new HueyException(
      `there is no queue ${queue}: the file ${connection.filename} does not exist; is the name right, and the folder, or is a --url missing?`,
      'no-queue',
    );
  }
}

/** The file of the module, where one is named, for the copy of this package that it imports. */
export function moduleOfTool(values: Values<ToolOptionName>, cwd: string = process.cwd()): string | undefined {
  if (values.text('queue') !== undefined || values.text('pid-file') !== undefined) return undefined;
  if (values.text('module') === undefined) throw new UsageError('name the queue with --queue, or the file that declares the tasks');
  return moduleOf(values, cwd);
}
