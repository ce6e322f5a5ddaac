/** Compiles everything into dist, removes what has no source any more, joins what threads load, and makes the command executable. */
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, readdirSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { joinThreadFiles } from './join-thread-files.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const dist = path.join(root, 'dist');

removeStale();
const tsc = createRequire(import.meta.url).resolve('typescript/bin/tsc');
const { status } = spawnSync(process.execPath, [tsc, '-p', root], { stdio: 'inherit' });
if (status !== 0) process.exit(status ?? 1);
await joinThreadFiles(root);
const command = path.join(dist, 'bin/huey-runtime.js');
if (existsSync(command)) chmodSync(command, 0o755);

/** A test whose source was renamed would otherwise run for ever under its old name. */
function removeStale() {
  if (!existsSync(dist)) return;
  for (const entry of readdirSync(dist, { withFileTypes: true, recursive: true })) {
    const file = path.join(entry.parentPath ?? entry.path, entry.name);
    if (!entry.isFile() || !/\.(js|d\.ts|js\.map)$/.test(file)) continue;
    const source = path.join(root, path.relative(dist, file)).replace(/\.(js|d\.ts|js\.map)$/, '.ts');
    if (!existsSync(source) && file !== path.join(dist, 'src/thread.js') && file !== path.join(dist, 'src/thread.js.map')) rmSync(file);
  }
}
