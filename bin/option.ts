/** What one option of the command is: a row of a table, from which the parser, the help and the docs are made. */

export type OptionKind = 'flag' | 'number' | 'text' | 'list';

export interface Option {
  kind: OptionKind;
  group: string;
  /** Without a full stop. */
  help: string;
  /** Huey's letter, where Huey has the option. */
  letter?: string;
  /** As it is shown; the value itself belongs to whoever reads the option. */
  byDefault?: string;
  choices?: readonly string[];
  /** Environment variable; null: none. Absent: HUEY_ and the name. */
  variable?: string | null;
  /** Why it is taken although it does nothing: said in one line when it is used. */
  idle?: string;
}

export type OptionTable<Name extends string = string> = Readonly<Record<Name, Option>>;

/** undefined: it has none. */
export function variableFor(name: string, { variable }: Option): string | undefined {
  return variable === null ? undefined : (variable ?? `HUEY_${name.toUpperCase().replaceAll('-', '_')}`);
}
