/**
 * The arguments of node that threads inherit: all but those that say what the main thread runs. With `--input-type` a thread
 * does not start at all.
 */
const MAIN_ONLY = /^(--input-type|--eval|--print|-e|-p|-pe|--test|--watch)/;

export function threadArguments(execArgv: readonly string[] = process.execArgv): string[] {
  const inherited: string[] = [];
  for (let i = 0; i < execArgv.length; i++) {
    const argument = execArgv[i] ?? '';
    if (!MAIN_ONLY.test(argument)) inherited.push(argument);
    // Its value is the next argument.
    else if (/^(--input-type|--eval|--print|-e|-p|-pe)$/.test(argument)) i += 1;
  }
  return inherited;
}
