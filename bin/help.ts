/** The help: the only file that knows yargs, which lays out the options of a table. */
import yargs from 'yargs';
import { variableFor, type OptionTable } from './option.js';
import type { Page } from './parser.js';

const HELP_WIDTH_MAX = 120;

export async function layOut(table: OptionTable, page: Page): Promise<string> {
  const layout = yargs([])
    .scriptName('huey-runtime')
    .usage(`Usage: $0 ${page.usage}\n\n${page.about}`)
    .exitProcess(false)
    .detectLocale(false)
    .help(false)
    .version(false);
  for (const [name, option] of Object.entries(table)) {
    const { kind, group, help, letter, byDefault } = option;
    const variable = variableFor(name, option);
    layout.option(name, {
      group,
      describe: variable === undefined ? help : `${help} (${variable})`,
      ...(letter === undefined ? {} : { alias: letter }),
      ...(kind === 'flag' ? { boolean: true } : { requiresArg: true, ...(kind === 'list' ? { array: true } : {}) }),
      ...(byDefault === undefined ? {} : { defaultDescription: byDefault }),
    });
  }
  for (const { usage, help } of page.commands ?? []) layout.command(usage, help);
  layout
    .option('help', { alias: 'h', boolean: true, describe: 'Show this help' })
    .option('version', { boolean: true, describe: 'Show the version' });
  for (const [line, about] of page.examples) layout.example(line, about);
  if (page.epilogue !== undefined) layout.epilogue(page.epilogue);
  return layout.wrap(Math.min(HELP_WIDTH_MAX, process.stdout.columns ?? HELP_WIDTH_MAX)).getHelp();
}
