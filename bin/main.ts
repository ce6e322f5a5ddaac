/** What the command does: reads what was typed, hands over to the module's own copy of this package or runs a consumer or a tool, exits. */
import { readFileSync } from 'node:fs';
import { readCommandLine } from './command-line.js';
import { runConsumer } from './consumer.js';
import { followCommand, handOver, otherCopy } from './other-copy.js';
import { settingsOf } from './settings.js';
import { UsageError } from './values.js';

const USAGE = 2;

try {
  await main(process.argv.slice(2));
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  process.stderr.write(`huey-runtime: ${error.message}\n`);
  process.exit(USAGE);
}

async function main(argv: readonly string[]): Promise<void> {
  // Whoever read the output may leave (a pipe to head, a terminal that closed); the consumer goes on.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);
  followCommand();
  const command = await readCommandLine(argv, process.env);
  switch (command.kind) {
    case 'help':
      process.stdout.write(`${command.text}\n`);
      return;
    case 'version':
      process.stdout.write(`${version()}\n`);
      return;
    case 'run': {
      const settings = settingsOf(command.values);
      const other = otherCopy(settings.module);
      if (other !== undefined) return handOver(other, argv);
      process.exit(await runConsumer(settings));
    }
    case 'tool': {
      const [{ moduleOfTool }, { runTool }] = await Promise.all([import('./queue-place.js'), import('./tools.js')]);
      const module = moduleOfTool(command.call.values);
      const other = module === undefined ? undefined : otherCopy(module);
      if (other !== undefined) return handOver(other, argv);
      process.exitCode = await runTool(command.call);
      return;
    }
  }
}

function version(): string {
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as { version: string };
  return version;
}
