/** What the user asked for: to run a consumer, one of the tools, or help; from the command line and HUEY_... variables. */
import { existsSync } from 'node:fs';
import { nearest } from './nearest.js';
import { OPTIONS, type OptionName } from './options.js';
import { parse, type Page } from './parser.js';
import { readToolLine, type ToolCall } from './tool-line.js';
import { isToolWord, TOOL_WORDS, TOOLS } from './tool-options.js';
import { readValues, UsageError, type Values } from './values.js';

export type Command =
  { kind: 'help'; text: string } | { kind: 'version' } | { kind: 'run'; values: Values<OptionName> } | { kind: 'tool'; call: ToolCall };

const CONSUMER: Page = {
  usage: '[--module] FILE [options]',
  about: 'Runs the tasks that FILE declares, in worker threads, until SIGTERM or Ctrl-C.',
  commands: Object.values(TOOLS),
  examples: [
    ['$0 tasks.js', 'run the tasks of tasks.js on as many threads as there are cores'],
    ['$0 --workers 8 --module tasks.js', 'the same on 8 threads'],
    ['$0 tasks.js --url redis://127.0.0.1:6379', 'on Redis, whatever the module says'],
    ['$0 src/tasks.ts --import tsx', 'TypeScript as it is'],
    ['$0 status --queue beans', 'how many tasks wait in the queue; each command has its own --help'],
  ],
  epilogue: 'SIGTERM or SIGINT stops in good order, a second one at once; SIGHUP loads the module anew, without a pause.',
};

/** @throws UsageError */
export async function readCommandLine(argv: readonly string[], env: NodeJS.ProcessEnv): Promise<Command> {
  const [first = ''] = argv;
  if (isToolWord(first)) return readToolLine(argv, env);
  checkMistyped(first);
  const { words, options, help } = parse(OPTIONS, argv, CONSUMER);
  if (options['help'] === true) return { kind: 'help', text: await help() };
  if (options['version'] === true) return { kind: 'version' };
  const [module, more] = words;
  if (module !== undefined && isToolWord(module)) {
    throw new UsageError(`${module} comes first: huey-runtime ${module} ...; a file of that name is ./${module}`);
  }
  const values = readValues<OptionName>(OPTIONS, options, env);
  if (more !== undefined || (module !== undefined && options['module'] !== undefined)) {
    throw new UsageError(`one module at a time; there is also "${more ?? module}"`);
  }
  if (module !== undefined) values.set('module', module);
  return { kind: 'run', values };
}

/** A command with a letter wrong would be taken for a module, and its options for unknown ones. */
function checkMistyped(word: string): void {
  if (!/^[a-z]+$/.test(word) || existsSync(word)) return;
  const meant = nearest(word, TOOL_WORDS);
  if (meant !== undefined) throw new UsageError(`there is no command ${word}; did you mean huey-runtime ${meant}?`);
}
