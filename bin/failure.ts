/** What is said when a consumer cannot start: the error's own message and the place in the user's code, no stack trace. */
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { HueyException } from '../src/runtime/errors.js';

const CHECK_TIMEOUT_MS = 5000;

/** One line, and a second one with the place where it is known. */
export function describeFailure(error: unknown, module: string, what = 'cannot start'): string {
  if (!(error instanceof Error)) return `${what}: ${String(error)}`;
  // Errors that the runtime throws on purpose say everything; of others the class is half of the message.
  const own = error instanceof HueyException;
  const message = own ? error.message : `${error.name}: ${error.message}`;
  const place = placeIn(error.stack ?? '') ?? (error.name === 'SyntaxError' ? placeOfSyntaxError(module) : undefined);
  const lines = `${what}: ${own ? message : `${path.basename(module)} does not load: ${message}`}`;
  return place === undefined ? lines : `${lines}\n  at ${place}`;
}

/** The first line of the stack that is in code of the user: not in node, in a package, or in this one. */
function placeIn(stack: string): string | undefined {
  for (const line of stack.split('\n')) {
    const [, file = '', rest = ''] =
      /(?:^|[\s(])(file:\/\/\/?[^\s()]+?|\/[^\s():]+|[A-Za-z]:\\[^\s():]+):(\d+(?::\d+)?)\)?$/.exec(line.trim()) ?? [];
    if (file === '' || file.includes('/node_modules/') || isOwn(file)) continue;
    return `${file.startsWith('file:') ? fileURLToPath(file) : file}:${rest}`;
  }
  return undefined;
}

/** What was built, and the sources that source maps lead to. */
function isOwn(file: string): boolean {
  const folders = ['../', '../../src/'].map((folder) => new URL(folder, import.meta.url));
  return folders.some((folder) => file.startsWith(folder.href) || file.startsWith(fileURLToPath(folder)));
}

/** Node keeps to itself where a module is no JavaScript; only its check of a file says so. */
function placeOfSyntaxError(module: string): string | undefined {
  const { stderr } = spawnSync(process.execPath, ['--check', module], { encoding: 'utf8', timeout: CHECK_TIMEOUT_MS });
  const [first = ''] = (stderr ?? '').split('\n', 1);
  return /:\d+$/.test(first) ? placeIn(first) : undefined;
}
