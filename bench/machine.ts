/** What the figures were measured on. */
import { readFileSync } from 'node:fs';
import { availableParallelism, cpus, release, totalmem, type as osType } from 'node:os';
import path from 'node:path';
import type { Redis } from 'ioredis';
import { projectRoot } from '../test/support/project-root.js';

export interface Machine {
  cpu: string;
  cores: number;
  memoryGiB: number;
  system: string;
  node: string;
  server: string;
  packages: Record<string, string>;
}

export async function describeMachine(redis: Redis, packages: Record<string, string>): Promise<Machine> {
  const info = await redis.info('server');
  const version = /(?:valkey|redis)_version:(\S+)/.exec(info)?.[1] ?? 'unknown';
  return {
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: availableParallelism(),
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    system: `${osType()} ${release()}`,
    node: process.version,
    server: `${/valkey_version/.test(info) ? 'valkey' : 'redis'}-server ${version}, without persistence`,
    packages,
  };
}

export function machineLines(machine: Machine): string[] {
  const packages = Object.entries(machine.packages).map(([name, version]) => `${name} ${version}`);
  return [
    `${machine.cores} cores of ${machine.cpu}, ${machine.memoryGiB} GiB, ${machine.system}`,
    [`node ${machine.node}`, machine.server, ...packages].join(', '),
  ];
}

/** Of this package. */
export function ownVersion(): string {
  return (JSON.parse(readFileSync(path.join(projectRoot(), 'package.json'), 'utf8')) as { version: string }).version;
}
