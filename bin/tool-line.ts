/** Reads the command line of a tool: `huey-runtime dead show ID --queue beans`. */
import { instantMs } from '../src/runtime/clock.js';
import { DEAD_MAX } from '../src/runtime/limits.js';
import { nearest } from './nearest.js';
import { parse, type Found } from './parser.js';
import { tableOf, toolOf, TOOLS, type ToolName, type ToolOptionName } from './tool-options.js';
import { readValues, UsageError, type Values } from './values.js';

export interface ToolCall {
  tool: ToolName;
  /** Of invocations. */
  ids: readonly string[];
  values: Values<ToolOptionName>;
  /** Ms since 1970, of --until. */
  untilMs: number | undefined;
}

const LIMIT_MAX = DEAD_MAX;

/** @throws UsageError */
export async function readToolLine(
  argv: readonly string[],
  env: NodeJS.ProcessEnv,
): Promise<{ kind: 'help'; text: string } | { kind: 'version' } | { kind: 'tool'; call: ToolCall }> {
  const [tool, rest] = toolIn(argv);
  const { usage, help } = toolOf(tool);
  const table = tableOf(tool);
  const found = parse(table, rest, { usage: `${usage} [options]`, about: `${help}.`, examples: [] });
  if (found.options['help'] === true) return { kind: 'help', text: await found.help() };
  if (found.options['version'] === true) return { kind: 'version' };
  const values = readValues<ToolOptionName>(table, found.options, withoutOther(found, env));
  checkTogether(tool, found.words, values);
  const until = values.text('until');
  return { kind: 'tool', call: { tool, ids: found.words, values, untilMs: until === undefined ? undefined : dateOf(until) } };
}

/** Which one, and what follows it. */
function toolIn(argv: readonly string[]): [ToolName, string[]] {
  const [word = '', second = ''] = argv;
  if (Object.hasOwn(TOOLS, word)) return [word as ToolName, argv.slice(1)];
  const full = `${word} ${second}`;
  if (Object.hasOwn(TOOLS, full)) return [full as ToolName, argv.slice(2)];
  const seconds = Object.keys(TOOLS).flatMap((name) => (name.startsWith(`${word} `) ? [name.slice(word.length + 1)] : []));
  // Whoever asks for help without saying for what gets that of the first.
  if (second === '--help' || second === '-h') return [`${word} ${seconds[0]}` as ToolName, argv.slice(1)];
  const meant = second === '' || second.startsWith('-') ? undefined : nearest(second, seconds);
  throw new UsageError(
    `${word} is followed by one of ${seconds.join(', ')}${meant === undefined ? '' : `; did you mean huey-runtime ${word} ${meant}?`}`,
  );
}

/** What is typed wins: a queue that is named goes before a module of the environment, and the other way round. */
function withoutOther({ options }: Found, env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const { HUEY_QUEUE, HUEY_MODULE, ...rest } = env;
  const isQueueTyped = options['queue'] !== undefined;
  const isModuleTyped = options['module'] !== undefined;
  return {
    ...rest,
    ...(HUEY_QUEUE === undefined || isModuleTyped ? {} : { HUEY_QUEUE }),
    ...(HUEY_MODULE === undefined || isQueueTyped || HUEY_QUEUE !== undefined ? {} : { HUEY_MODULE }),
  };
}

function checkTogether(tool: ToolName, words: readonly string[], values: Values<ToolOptionName>): void {
  const [least, most] = toolOf(tool).ids;
  const task = values.text('task');
  const extra = words[most];
  if (extra !== undefined) throw new UsageError(`huey-runtime ${toolOf(tool).usage}: what is "${extra}"?`);
  if (words.length < least) throw new UsageError(`name the id: huey-runtime ${toolOf(tool).usage}`);
  if (most === 1 && least === 0 && (words.length === 1) === (task !== undefined)) {
    throw new UsageError(`huey-runtime ${tool} takes either the id of a call, or --task and the name of a task`);
  }
  if (tool === 'reload' && checkReload(values)) return;
  if (values.text('queue') === undefined && values.text('module') === undefined) {
    throw new UsageError(
      `name the queue: huey-runtime ${toolOf(tool).usage} --queue NAME, or --module and the file that declares the tasks`,
    );
  }
  if (values.text('queue') !== undefined && values.text('module') !== undefined) {
    throw new UsageError('--queue and --module say the same thing; give one of them (--huey names one of several queues of a module)');
  }
  const limit = values.number('limit');
  if (limit !== undefined && !(Number.isInteger(limit) && limit >= 1 && limit <= LIMIT_MAX)) {
    throw new UsageError(`--limit is ${limit}, and must be a whole number from 1 to ${LIMIT_MAX}`);
  }
  if (tool === 'flush' && !values.flag('yes')) {
    throw new UsageError('flush removes every task and result of the queue; add --yes where that is meant');
  }
}

/** True where it concerns a process and no queue. */
function checkReload(values: Values<ToolOptionName>): boolean {
  const isOne = values.text('pid-file') !== undefined;
  if (isOne === values.flag('all')) {
    throw new UsageError(
      'huey-runtime reload takes either --pid-file PATH, for one consumer, or --all and --queue NAME, for those of a queue',
    );
  }
  return isOne;
}

function dateOf(text: string): number {
  try {
    return instantMs(text);
  } catch {
    throw new UsageError(`--until takes a date in ISO form, 2030-01-31T12:00, and not "${text}"`);
  }
}
