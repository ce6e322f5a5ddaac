/**
 * A command that was installed elsewhere (globally, by npx) hands over to the copy that the user's module imports:
 * message format, storage and API of one consumer come from one version.
 */
import { spawn } from 'node:child_process';
import { readFileSync, realpathSync } from 'node:fs';
import { createRequire } from 'node:module';
import { constants } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

/** Set for the copy that is handed over to, so that two copies cannot hand over to each other for ever. */
const HANDED_OVER = 'HUEY_RUNTIME_HANDED_OVER';
const FORWARDED = ['SIGTERM', 'SIGINT', 'SIGHUP'] as const;

/** The command of the copy that `module` resolves, where that is not this one. */
export function otherCopy(module: string, env: NodeJS.ProcessEnv = process.env): string | undefined {
  if (env[HANDED_OVER] !== undefined) return undefined;
  try {
    const manifest = createRequire(module).resolve('huey-runtime/package.json');
    const folder = realpathSync(path.dirname(manifest));
    if (folder === ownFolder()) return undefined;
    const { bin } = JSON.parse(readFileSync(manifest, 'utf8')) as { bin?: Record<string, string> };
    const command = bin?.['huey-runtime'];
    return command === undefined ? undefined : path.join(folder, command);
  } catch {
    // It resolves none: then loading it will say so.
    return undefined;
  }
}

/** Runs the other copy as a child, and ends as it ends. */
export function handOver(command: string, argv: readonly string[]): void {
  const child = spawn(process.execPath, [...process.execArgv, command, ...argv], {
    // The channel ends with this process, however it ends.
    stdio: ['inherit', 'inherit', 'inherit', 'ipc'],
    env: { ...process.env, [HANDED_OVER]: '1' },
  });
  for (const signal of FORWARDED) process.on(signal, () => child.kill(signal));
  child.once('error', (error) => {
    console.error(`huey-runtime: the copy of the module cannot be started: ${error.message}`);
    process.exit(1);
  });
  child.once('exit', (code, signal) => process.exit(code ?? 128 + (signal === null ? 0 : constants.signals[signal])));
}

/** A copy that was handed over to stops in good order when the command that the user started is gone, killed for example. */
export function followCommand(env: NodeJS.ProcessEnv = process.env): void {
  if (env[HANDED_OVER] === undefined || process.channel === undefined) return;
  process.once('disconnect', () => process.kill(process.pid, 'SIGTERM'));
  process.channel.unref();
}

function ownFolder(): string {
  return realpathSync(fileURLToPath(new URL('../../', import.meta.url)));
}
