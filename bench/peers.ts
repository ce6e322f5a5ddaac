/**
 * The other queues: installed by npm into a folder of their own, so that they are no dependencies of this package, and
 * loaded from there.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';

/** Pinned, so that two people who compare figures compare the same. */
export const PEERS = { bullmq: '6.7.0', 'bee-queue': '2.0.0', ioredis: '5' } as const;

const INSTALL_DEADLINE_MS = 5 * 60_000;

/** Installs what is missing. Gives the versions found. @throws Error where npm fails. */
export function requirePeers(folder: string): Record<string, string> {
  mkdirSync(folder, { recursive: true });
  const manifest = path.join(folder, 'package.json');
  if (!existsSync(manifest)) writeFileSync(manifest, `${JSON.stringify({ name: 'bench-peers', private: true }, null, 2)}\n`);
  if (Object.entries(PEERS).some(([name, version]) => !versionOf(folder, name).startsWith(version))) install(folder);
  return Object.fromEntries(Object.keys(PEERS).map((name) => [name, versionOf(folder, name)]));
}

function install(folder: string): void {
  const packages = Object.entries(PEERS).map(([name, version]) => `${name}@${version}`);
  console.error(`installing ${packages.join(', ')} into ${path.relative(process.cwd(), folder)}`);
  const { status, stderr } = spawnSync('npm', ['install', '--prefix', folder, '--no-audit', '--no-fund', '--loglevel=error', ...packages], {
    stdio: ['ignore', 'ignore', 'pipe'],
    timeout: INSTALL_DEADLINE_MS,
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(`npm could not install the other queues (--systems huey-runtime does without them):\n${stderr}`);
}

/** '' where it is not installed. */
function versionOf(folder: string, name: string): string {
  try {
    const text = readFileSync(path.join(folder, 'node_modules', name, 'package.json'), 'utf8');
    return (JSON.parse(text) as { version: string }).version;
  } catch {
    return '';
  }
}
