/** The commands beside the consumer and their options, as tables. */
import type { Option, OptionTable } from './option.js';

const WHERE = 'Which queue:';
const WHAT = 'What to do:';
const SHOW = 'What to show:';

export const LIST_LIMIT = 100;

export const TOOL_OPTIONS = {
  queue: { kind: 'text', group: WHERE, help: 'The name of the queue', byDefault: 'that of the module' },
  url: {
    kind: 'text',
    group: WHERE,
    help: 'Where it is kept: redis://, rediss://, sqlite:FILE',
    byDefault: 'HUEY_URL, REDIS_URL, else the file of the project',
    // Read where the connection is found, as createHuey does it.
    variable: null,
  },
  redis: { kind: 'text', group: WHERE, help: 'The same for Redis alone: a URL, or HOST:PORT', byDefault: 'none', variable: null },
  module: { kind: 'text', group: WHERE, help: 'Instead of a name: the file that declares the tasks; it is loaded in a thread' },
  huey: {
    kind: 'text',
    group: WHERE,
    help: 'With --module: the export that holds the Huey, or its queue',
    byDefault: 'found in the module',
  },
  import: { kind: 'list', group: WHERE, help: 'With --module: what the thread loads first, tsx for TypeScript', byDefault: 'none' },

  limit: { kind: 'number', group: SHOW, help: 'At most so many', byDefault: String(LIST_LIMIT), variable: null },
  args: { kind: 'flag', group: SHOW, help: 'Arguments too; they may be secret', byDefault: 'false', variable: null },
  json: { kind: 'flag', group: SHOW, help: 'One JSON document, for programs', byDefault: 'false', variable: null },

  task: { kind: 'text', group: WHAT, help: 'Every call of the task of this name, instead of one by its id', variable: null },
  once: { kind: 'flag', group: WHAT, help: 'Ends with the first start that it prevents', byDefault: 'false', variable: null },
  until: {
    kind: 'text',
    group: WHAT,
    help: 'Ends at this date, in ISO form; without an offset it is local time',
    byDefault: 'never',
    variable: null,
  },
  all: { kind: 'flag', group: WHAT, help: 'Every consumer of the queue, on whatever machine', byDefault: 'false', variable: null },
  'pid-file': { kind: 'text', group: WHAT, help: 'The consumer that was started with this --pid-file', byDefault: 'none', variable: null },
  yes: { kind: 'flag', group: WHAT, help: 'Do it: what is removed does not come back', byDefault: 'false', variable: null },
} as const satisfies Record<string, Option>;

export type ToolOptionName = keyof typeof TOOL_OPTIONS;

const PLACE = ['queue', 'url', 'redis', 'module', 'huey', 'import', 'json'] as const satisfies ToolOptionName[];

export interface Tool {
  /** What is typed, after `huey-runtime`. */
  usage: string;
  help: string;
  /** Of its own, beside those that say which queue. */
  options: readonly ToolOptionName[];
  /** How many ids it takes. */
  ids: readonly [least: number, most: number];
}

const MANY = 1000;

export const TOOLS = {
  status: { usage: 'status', help: 'How many tasks wait, run, are dead, and how many consumers there are', options: [], ids: [0, 0] },
  pending: { usage: 'pending', help: 'Tasks that wait for a worker, the next one first', options: ['limit', 'args'], ids: [0, 0] },
  scheduled: { usage: 'scheduled', help: 'Tasks that wait for their time, the earliest first', options: ['limit', 'args'], ids: [0, 0] },
  running: { usage: 'running', help: 'Tasks that consumers have taken', options: ['limit', 'args'], ids: [0, 0] },
  'dead list': { usage: 'dead list', help: 'Tasks that were put aside, the newest first', options: ['limit', 'args'], ids: [0, 0] },
  'dead show': { usage: 'dead show ID', help: 'The message of a dead task, byte for byte', options: [], ids: [1, 1] },
  'dead retry': { usage: 'dead retry ID...', help: 'Enqueue dead tasks again', options: [], ids: [1, MANY] },
  'dead drop': { usage: 'dead drop ID...', help: 'Remove dead tasks for good', options: [], ids: [1, MANY] },
  revoke: {
    usage: 'revoke [ID]',
    help: 'Keep a call, or every call of a task, from starting',
    options: ['task', 'once', 'until'],
    ids: [0, 1],
  },
  restore: { usage: 'restore [ID]', help: 'Take a revocation back', options: ['task'], ids: [0, 1] },
  cancel: {
    usage: 'cancel ID...',
    help: 'Stop calls, whether they wait, are scheduled, or run: softly, and after their grace with their thread',
    options: [],
    ids: [1, MANY],
  },
  reload: {
    usage: 'reload',
    help: 'Have consumers load their code anew without a pause: one with --pid-file, or all of a queue with --all',
    options: ['pid-file', 'all'],
    ids: [0, 0],
  },
  flush: {
    usage: 'flush --yes',
    help: 'Remove everything of the queue but what runs: tasks, results, marks, locks, keys, dead ones',
    options: ['yes'],
    ids: [0, 0],
  },
} as const satisfies Record<string, Tool>;

export type ToolName = keyof typeof TOOLS;

/** Whether the first word of a command line means one of them. */
/** The first word of each. */
export const TOOL_WORDS: readonly string[] = [...new Set(Object.keys(TOOLS).map((name) => name.split(' ')[0] ?? name))];

export function isToolWord(word: string): boolean {
  return TOOL_WORDS.includes(word);
}

export function toolOf(name: ToolName): Tool {
  return TOOLS[name];
}

export function tableOf(name: ToolName): OptionTable<ToolOptionName> {
  const wanted: readonly string[] = [...TOOLS[name].options, ...PLACE];
  return Object.fromEntries(Object.entries(TOOL_OPTIONS).filter(([option]) => wanted.includes(option))) as OptionTable<ToolOptionName>;
}
