/**
 * The arguments of node that threads inherit: all but those that say what the main thread runs. With `--input-type` a thread
 * does not start at all. Where there is nothing to leave out or to add, nothing is said: node takes what it passes on by
 * itself without the checks that it makes of a list.
 */
const MAIN_ONLY = /^(--input-type|--eval|--print|-e|-p|-pe)(=|$)/;

/** To be spread into the options of a thread. */
export function threadArguments(added: readonly string[] = [], execArgv: readonly string[] = process.execArgv): { execArgv?: string[] } {
  const inherited: string[] = [];
  for (let i = 0; i < execArgv.length; i++) {
    const argument = execArgv[i] ?? '';
    if (!MAIN_ONLY.test(argument)) inherited.push(argument);
    // Its value is the next argument.
    else if (!argument.includes('=')) i += 1;
  }
  if (added.length === 0 && inherited.length === execArgv.length) return {};
  return { execArgv: [...inherited, ...added] };
}
