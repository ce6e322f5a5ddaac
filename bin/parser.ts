/** The only file that knows yargs, which finds the options of a table in the arguments and lays out the help. */
import yargs, { type Argv } from 'yargs';
import { nearest } from './nearest.js';
import { variableFor, type OptionTable } from './option.js';
import { UsageError } from './values.js';

export interface Page {
  /** What is typed, after `huey-runtime`. */
  usage: string;
  /** What it does, in a sentence or two. */
  about: string;
  /** Lists commands in the help; they are told apart before anything is parsed. */
  commands?: readonly { usage: string; help: string }[];
  examples: readonly (readonly [line: string, about: string])[];
  epilogue?: string;
}

export interface Found {
  /** What is no option. */
  words: string[];
  /** By name; `help` and `version` among them. */
  options: Record<string, unknown>;
  help: () => Promise<string>;
}

const OWN_FLAGS = ['help', 'version'];
const HELP_WIDTH_MAX = 120;

/** @throws UsageError on an option that the table does not have. */
export function parse(table: OptionTable, argv: readonly string[], page: Page): Found {
  const parser = makeParser(table, argv, page);
  const { _: rest, $0: _command, ...options } = parser.parseSync() as Record<string, unknown> & { _: (string | number)[] };
  const words = rest.map(String);
  if (options['help'] !== true && options['version'] !== true) {
    checkUnknown(table, words, options, page);
    checkFlags(table, argv);
  }
  return { words, options, help: () => parser.getHelp() };
}

function makeParser(table: OptionTable, argv: readonly string[], page: Page): Argv {
  const parser = yargs([...argv])
    .scriptName('huey-runtime')
    .usage(`Usage: $0 ${page.usage}\n\n${page.about}`)
    .exitProcess(false)
    .detectLocale(false)
    .help(false)
    .version(false)
    .parserConfiguration({
      // Unknown options come back among the arguments, so that the error can name the nearest; Huey's --no-periodic is a name.
      'unknown-options-as-args': true,
      'boolean-negation': false,
      'camel-case-expansion': false,
      'dot-notation': false,
      'greedy-arrays': false,
      'parse-numbers': false,
      'parse-positional-numbers': false,
      'strip-aliased': true,
    })
    .fail((message) => {
      const missing = /Not enough arguments following: (\S+)/.exec(message);
      throw new UsageError(missing ? `--${longName(table, missing[1] ?? '')} needs a value` : message);
    });
  for (const [name, option] of Object.entries(table)) {
    const { kind, group, help, letter, byDefault } = option;
    const variable = variableFor(name, option);
    parser.option(name, {
      group,
      describe: variable === undefined ? help : `${help} (${variable})`,
      ...(letter === undefined ? {} : { alias: letter }),
      ...(kind === 'flag' ? { boolean: true } : { requiresArg: true, ...(kind === 'list' ? { array: true } : {}) }),
      ...(byDefault === undefined ? {} : { defaultDescription: byDefault }),
    });
  }
  // Where help is asked for and nothing runs: a command of yargs would take the arguments that are the consumer's.
  if (argv.some((arg) => arg === '-h' || arg === '--help')) {
    for (const { usage, help } of page.commands ?? []) parser.command(usage, help);
  }
  parser
    .option('help', { alias: 'h', boolean: true, describe: 'Show this help' })
    .option('version', { boolean: true, describe: 'Show the version' });
  for (const [line, about] of page.examples) parser.example(line, about);
  if (page.epilogue !== undefined) parser.epilogue(page.epilogue);
  return parser.wrap(Math.min(HELP_WIDTH_MAX, process.stdout.columns ?? HELP_WIDTH_MAX));
}

function checkUnknown(table: OptionTable, words: readonly string[], options: Record<string, unknown>, page: Page): void {
  const isKnown = (key: string): boolean => Object.hasOwn(table, key) || OWN_FLAGS.includes(key);
  const odd = Object.keys(options).find((key) => !isKnown(key));
  const word = words.find((one) => one.startsWith('-')) ?? (odd === undefined ? undefined : `--${odd}`);
  if (word === undefined) return;
  const name = word.replace(/^-+/, '').replace(/=.*$/, '');
  const meant = word.startsWith('--') ? nearest(name, [...Object.keys(table), ...OWN_FLAGS]) : undefined;
  const shown = word.replace(/=.*$/, '');
  const [command = ''] = /^[a-z]+( [a-z]+)?(?= |$)/.exec(page.usage) ?? [];
  const help = `huey-runtime ${command === '' ? '' : `${command} `}--help`;
  throw new UsageError(meant === undefined ? `unknown option ${shown}; see ${help}` : `unknown option ${shown}; did you mean --${meant}?`);
}

/** yargs takes `--quiet=maybe` for false. */
function checkFlags(table: OptionTable, argv: readonly string[]): void {
  for (const arg of argv) {
    const [, name = '', value = ''] = /^--([a-z-]+)=(.*)$/.exec(arg) ?? [];
    if (!Object.hasOwn(table, name) || table[name]?.kind !== 'flag') continue;
    if (value !== 'true' && value !== 'false') throw new UsageError(`--${name} takes no value; it is there or not`);
  }
}

function longName(table: OptionTable, key: string): string {
  return Object.entries(table).find(([, { letter }]) => letter === key)?.[0] ?? key;
}
