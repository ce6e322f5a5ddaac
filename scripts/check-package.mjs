/** Packs the package as npm would publish it, and has publint and arethetypeswrong look at the tarball. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const folder = mkdtempSync(path.join(tmpdir(), 'huey-runtime-pack-'));
try {
  // The tarball is all that counts: npm says where it is by putting it there.
  run('npm', 'pack', '--silent', '--pack-destination', folder);
  const tarball = path.join(folder, readdirSync(folder).find((name) => name.endsWith('.tgz')) ?? 'none');
  run('npx', '--no-install', 'publint', 'run', tarball, '--strict');
  run('npx', '--no-install', 'attw', tarball, '--profile', 'esm-only');
} finally {
  rmSync(folder, { recursive: true, force: true });
}

function run(command, ...args) {
  const { status } = spawnSync(command, args, { cwd: root, stdio: 'inherit' });
  if (status === 0) return;
  rmSync(folder, { recursive: true, force: true });
  process.exit(status ?? 1);
}
