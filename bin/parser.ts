/**
 * Finds the options of a table in the arguments, with the parser that yargs uses. yargs itself takes as long to load as node to
 * start, so only the help, which it lays out (help.ts), loads it.
 */
import parser, { type Arguments } from 'yargs-parser';
import { nearest } from './nearest.js';
import type { OptionTable } from './option.js';
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

/** Unknown options come back among the arguments, so that the error can name the nearest; Huey's --no-periodic is a name. */
const CONFIGURATION = {
  'unknown-options-as-args': true,
  'boolean-negation': false,
  'camel-case-expansion': false,
  'dot-notation': false,
  'greedy-arrays': false,
  'parse-numbers': false,
  'parse-positional-numbers': false,
  'strip-aliased': true,
};

/** @throws UsageError on an option that the table does not have. */
export function parse(table: OptionTable, argv: readonly string[], page: Page): Found {
  const { _: rest, ...options } = readArguments(table, argv);
  const words = rest.map(String);
  if (options['help'] !== true && options['version'] !== true) {
    checkUnknown(table, words, options, page);
    checkFlags(table, argv);
  }
  return { words, options, help: async () => (await import('./help.js')).layOut(table, page) };
}

function readArguments(table: OptionTable, argv: readonly string[]): Arguments {
  const named = (wanted: (option: OptionTable[string]) => boolean): string[] =>
    Object.keys(table).filter((name) => wanted(option(table, name)));
  const flags = named(({ kind }) => kind === 'flag');
  const { argv: found, error } = parser.detailed([...argv], {
    alias: {
      help: ['h'],
      ...Object.fromEntries(Object.entries(table).flatMap(([name, { letter }]) => (letter === undefined ? [] : [[name, [letter]]]))),
    },
    boolean: [...flags, ...OWN_FLAGS],
    array: named(({ kind }) => kind === 'list'),
    // Not a number: at least one.
    narg: Object.fromEntries(named(({ kind }) => kind !== 'flag').map((name) => [name, Number.NaN])),
    configuration: CONFIGURATION,
  });
  if (error !== null) {
    const { message } = error;
    const missing = /Not enough arguments following: (\S+)/.exec(message);
    throw new UsageError(missing ? `--${longName(table, missing[1] ?? '')} needs a value` : message);
  }
  return found;
}

function option(table: OptionTable, name: string): OptionTable[string] {
  const found = table[name];
  if (found === undefined) throw new RangeError(`no option ${name}`);
  return found;
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

/** The parser takes `--quiet=maybe` for false. */
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
