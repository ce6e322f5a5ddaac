/** The options that were given, read by the types of their table; whatever is wrong becomes a UsageError of one line. */
import { nearest } from './nearest.js';
import { variableFor, type Option, type OptionTable } from './option.js';

/** The command cannot work as it was typed: one line, exit code 2. */
export class UsageError extends Error {
  /** What was typed may stand in the message, line breaks and all. */
  constructor(message: string) {
    super(message.replace(/\p{Cc}|\u2028|\u2029/gu, (char) => JSON.stringify(char).slice(1, -1)));
  }
}

export class Values<Name extends string = string> {
  readonly #given = new Map<Name, Given>();

  set(name: Name, given: Given): void {
    this.#given.set(name, given);
  }

  has(name: Name): boolean {
    return this.#given.has(name);
  }

  flag(name: Name): boolean {
    return this.#given.get(name) === true;
  }

  text(name: Name): string | undefined {
    const given = this.#given.get(name);
    return typeof given === 'string' ? given : undefined;
  }

  number(name: Name): number | undefined {
    const given = this.#given.get(name);
    return typeof given === 'number' ? given : undefined;
  }

  list(name: Name): readonly string[] | undefined {
    const given = this.#given.get(name);
    return typeof given === 'object' ? given : undefined;
  }
}

type Given = string | number | boolean | readonly string[];

const TRUE = ['1', 'true', 'yes', 'on'];
const FALSE = ['', '0', 'false', 'no', 'off'];

/** What was typed, and, where that says nothing, the environment. `found` is by name. @throws UsageError */
export function readValues<Name extends string>(
  table: OptionTable<Name>,
  found: Readonly<Record<string, unknown>>,
  env: NodeJS.ProcessEnv,
): Values<Name> {
  const values = new Values<Name>();
  for (const [name, option] of Object.entries(table) as [Name, Option][]) {
    const variable = variableFor(name, option);
    const text = variable === undefined ? undefined : env[variable];
    if (found[name] !== undefined) values.set(name, valueOf(option, `--${name}`, found[name]));
    else if (variable !== undefined && text !== undefined && text !== '') values.set(name, valueOf(option, variable, text));
  }
  return values;
}

/** `source` is the option or the variable, for the error. */
function valueOf({ kind, choices }: Option, source: string, raw: unknown): Given {
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
