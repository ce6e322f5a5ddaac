/** Sees to it that a Redis server can be started: finds one, installs one where it may, or ends with one line. */
import { spawnSync } from 'node:child_process';
import { accessSync, constants, existsSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';

const SERVERS = ['redis-server', 'valkey-server'];
const POLICY = '/usr/sbin/policy-rc.d';

/** In the order in which they are looked for. Homebrew refuses to run as root, the others want it. */
const MANAGERS = [
  { command: 'apt-get', asRoot: true, hint: 'apt-get install redis-server', install: installWithApt },
  {
    command: 'dnf',
    asRoot: true,
    hint: 'dnf install valkey',
    install: () => run('dnf', 'install', '-y', 'valkey') || run('dnf', 'install', '-y', 'redis'),
  },
  { command: 'apk', asRoot: true, hint: 'apk add redis', install: () => run('apk', 'add', '--no-cache', 'redis') },
  { command: 'brew', asRoot: false, hint: 'brew install redis', install: () => run('brew', 'install', 'redis') },
];

export function requireRedis() {
  if (SERVERS.some(isOnPath)) return;
  const manager = MANAGERS.find(({ command }) => isOnPath(command));
  const isRoot = process.getuid?.() === 0;
  if (manager !== undefined && manager.asRoot === isRoot) {
    console.log(`no redis-server or valkey-server found; installing one with ${manager.command}`);
    manager.install();
    if (SERVERS.some(isOnPath)) return;
  }
  console.error(
    `the tests need redis-server or valkey-server on the PATH; install one: ${manager?.hint ?? 'https://redis.io/docs/install'}`,
  );
  process.exit(1);
}

/** Debian starts a service as soon as it is installed, unless a policy says no. The tests start servers of their own. */
function installWithApt() {
  const hasPolicy = existsSync(POLICY);
  if (!hasPolicy) writeFileSync(POLICY, '#!/bin/sh\nexit 101\n', { mode: 0o755 });
  try {
    run('apt-get', 'update', '-q');
    run('apt-get', 'install', '-q', '-y', '--no-install-recommends', 'redis-server');
  } finally {
    if (!hasPolicy) rmSync(POLICY, { force: true });
  }
  // A policy that was there before may have said yes.
  if (existsSync('/run/systemd/system')) run('systemctl', 'disable', '--now', 'redis-server');
  else run('service', 'redis-server', 'stop');
}

function run(command, ...args) {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  return spawnSync(command, args, { stdio: ['ignore', 'inherit', 'inherit'], env }).status === 0;
}

function isOnPath(command) {
  return (process.env.PATH ?? '').split(path.delimiter).some((folder) => {
    try {
      accessSync(path.join(folder, command), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}
