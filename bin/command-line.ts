/**
 * What the user asked for, from the command line and, where it says nothing, from HUEY_... variables. The only file
 * that knows yargs, which finds the options in the arguments and lays out the help; whatever is wrong becomes a
 * UsageError of one line.
 */
import yargs, { type Argv } from 'yargs';
import { nearest } from './nearest.js';
import { isOptionName, OPTION_NAMES, optionOf, variableOf, type OptionName } from './options.js';

export type Command = { kind: 'help'; text: string } | { kind: 'version' } | { kind: 'run'; values: Values };

/** The command cannot work as it was typed: one line, exit code 2. */
export class UsageError extends Error {}

/** The options that were given, by the types of their table. */
export class Values {
  readonly #given = new Map<OptionName, Given>();

  set(name: OptionName, given: Given): void {
    this.#given.set(name, given);
  }

  has(name: OptionName): boolean {
    return this.#given.has(name);
  }

  flag(name: OptionName): boolean {
    return this.#given.get(name) === true;
  }

  text(name: OptionName): string | undefined {
    const given = this.#given.get(name);
    return typeof given === 'string' ? given : undefined;
  }

  number(name: OptionName): number | undefined {
    const given = this.#given.get(name);
    return typeof given === 'number' ? given : undefined;
  }

  list(name: OptionName): readonly string[] | undefined {
    const given = this.#given.get(name);
    return typeof given === 'object' ? given : undefined;
  }
}

type Given = string | number | boolean | readonly string[];

const OWN_FLAGS = ['help', 'version'];
const HELP_WIDTH_MAX = 120;
const TRUE = ['1', 'true', 'yes', 'on'];
const FALSE = ['', '0', 'false', 'no', 'off'];

/** @throws UsageError */
export async function readCommandLine(argv: readonly string[], env: NodeJS.ProcessEnv): Promise<Command> {
  const parser = makeParser(argv);
  const found = parser.parseSync() as Record<string, unknown> & { _: (string | number)[] };
  if (found['help'] === true) return { kind: 'help', text: await parser.getHelp() };
  if (found['version'] === true) return { kind: 'version' };
  const modules = found._.map(String);
  checkUnknown(modules, found);
  checkFlags(argv);
  const values = new Values();
  for (const name of OPTION_NAMES) {
    const variable = variableOf(name);
    const text = variable === undefined ? undefined : env[variable];
    if (found[name] !== undefined) values.set(name, valueOf(name, `--${name}`, found[name]));
    else if (variable !== undefined && text !== undefined && text !== '') values.set(name, valueOf(name, variable, text));
  }
  const [module, more] = modules;
  if (more !== undefined || (module !== undefined && found['module'] !== undefined)) {
    throw new UsageError(`one module at a time; there is also "${more ?? module}"`);
  }
  if (module !== undefined) values.set('module', module);
  return { kind: 'run', values };
}

function makeParser(argv: readonly string[]): Argv {
  const parser = yargs([...argv])
    .scriptName('huey-runtime')
    .usage('Usage: $0 [--module] FILE [options]\n\nRuns the tasks that FILE declares, in worker threads, until SIGTERM or Ctrl-C.')
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
      throw new UsageError(missing ? `--${longName(missing[1] ?? '')} needs a value` : message);
    });
  for (const name of OPTION_NAMES) {
    const { kind, group, help, letter, byDefault } = optionOf(name);
    const variable = variableOf(name) ?? (name === 'url' ? 'HUEY_URL, through createHuey' : undefined);
    parser.option(name, {
      group,
      describe: variable === undefined ? help : `${help} (${variable})`,
      ...(letter === undefined ? {} : { alias: letter }),
      ...(kind === 'flag' ? { boolean: true } : { requiresArg: true, ...(kind === 'list' ? { array: true } : {}) }),
      ...(byDefault === undefined ? {} : { defaultDescription: byDefault }),
    });
  }
  return parser
    .option('help', { alias: 'h', boolean: true, describe: 'Show this help' })
    .option('version', { boolean: true, describe: 'Show the version' })
    .example('$0 tasks.js', 'run the tasks of tasks.js on as many threads as there are cores')
    .example('$0 --workers 8 --module tasks.js', 'the same on 8 threads')
    .example('$0 tasks.js --url redis://127.0.0.1:6379', 'on Redis, whatever the module says')
    .example('$0 src/tasks.ts --import tsx', 'TypeScript as it is')
    .epilogue('SIGTERM or SIGINT stops in good order, a second one at once; SIGHUP loads the module anew.')
    .wrap(Math.min(HELP_WIDTH_MAX, process.stdout.columns ?? HELP_WIDTH_MAX));
}

/** Removes from `rest` nothing: what is left of it after this are modules. */
function checkUnknown(rest: readonly string[], found: Record<string, unknown>): void {
  const odd = Object.keys(found).find((key) => !isOptionName(key) && !['_', '$0', ...OWN_FLAGS].includes(key));
  const word = rest.find((one) => one.startsWith('-')) ?? (odd === undefined ? undefined : `--${odd}`);
  if (word === undefined) return;
  const name = word.replace(/^-+/, '').replace(/=.*$/, '');
  const meant = word.startsWith('--') ? nearest(name, [...OPTION_NAMES, ...OWN_FLAGS]) : undefined;
  const shown = word.replace(/=.*$/, '');
  throw new UsageError(
    meant === undefined ? `unknown option ${shown}; see huey-runtime --help` : `unknown option ${shown}; did you mean --${meant}?`,
  );
}

/** yargs takes `--quiet=maybe` for false. */
function checkFlags(argv: readonly string[]): void {
  for (const arg of argv) {
    const [, name = '', value = ''] = /^--([a-z-]+)=(.*)$/.exec(arg) ?? [];
    if (!isOptionName(name) || optionOf(name).kind !== 'flag') continue;
    if (value !== 'true' && value !== 'false') throw new UsageError(`--${name} takes no value; it is there or not`);
  }
}

/** `source` is the option or the variable, for the error. */
function valueOf(name: OptionName, source: string, raw: unknown): Given {
  const { kind, choices } = optionOf(name);
  // An option that is given twice counts as it was given last.
  const given: unknown = kind !== 'list' && Array.isArray(raw) ? raw.at(-1) : raw;
  switch (kind) {
    case 'flag':
      return typeof given === 'boolean' ? given : flagOf(source, String(given));
    case 'number': {
      const text = String(given);
      const value = Number(text);
      if (text.trim() === '' || !Number.isFinite(value)) throw new UsageError(`${source} takes a number, and not "${text}"`);
      return value;
    }
    case 'list':
      return Array.isArray(given) ? given.map(String) : String(given).split(',');
    case 'text': {
      const text = String(given);
      if (text === '') throw new UsageError(`${source} needs a value`);
      if (choices !== undefined && !choices.includes(text)) {
        const meant = nearest(text, choices);
        const hint = meant === undefined ? '' : `; did you mean ${meant}?`;
        throw new UsageError(`${source} is one of ${choices.join(', ')}, and not "${text}"${hint}`);
      }
      return text;
    }
  }
}

function flagOf(source: string, text: string): boolean {
  const word = text.toLowerCase();
  if (TRUE.includes(word)) return true;
  if (FALSE.includes(word)) return false;
  throw new UsageError(`${source} is 1 or 0, and not "${text}"`);
}

function longName(key: string): string {
  return OPTION_NAMES.find((name) => optionOf(name).letter === key) ?? key;
}
