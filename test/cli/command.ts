/** The command under test, and folders that look like a user's project. */
import { mkdir, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { startNode, type TestChild } from '../support/child.js';
import { projectRoot } from '../support/project-root.js';
import { tempDir, type Cleanup } from '../support/temp-dir.js';

export const COMMAND = fileURLToPath(new URL('../../bin/huey-runtime.js', import.meta.url));
export const RUNNING = /is running/;

/** With nothing of the shell that would count as an option. */
export function cleanEnv(more: Record<string, string> = {}): NodeJS.ProcessEnv {
  const own = Object.keys(process.env).filter((name) => name.startsWith('HUEY_') || name === 'REDIS_URL');
  return { ...Object.fromEntries(own.map((name) => [name, undefined])), ...more };
}

export interface CommandEnd {
  code: number | null;
  stdout: string;
  stderr: string;
}

/** Starts the command; it is ended, if need be, with the test. */
export function startCommand(
  t: Cleanup,
  args: readonly string[],
  { cwd, env = {} }: { cwd?: string; env?: Record<string, string> } = {},
): TestChild {
  const child = startNode([COMMAND, ...args], { env: cleanEnv(env), ...(cwd === undefined ? {} : { cwd }) });
  t.after(async () => {
    await child.stop();
  });
  return child;
}

/** Runs the command until it ends by itself. */
export async function runCommand(
  t: Cleanup,
  args: readonly string[],
  options: { cwd?: string; env?: Record<string, string> } = {},
): Promise<CommandEnd> {
  const child = startCommand(t, args, options);
  const { code } = await child.exited;
  return { code, stdout: child.stdout(), stderr: child.stderr() };
}

/** A folder of its own with these files, in which `huey-runtime` is installed. */
export async function userProject(t: Cleanup, files: Record<string, string>): Promise<string> {
  const folder = await tempDir(t);
  await writeFile(path.join(folder, 'package.json'), '{ "type": "module", "private": true }\n');
  await mkdir(path.join(folder, 'node_modules'));
  await symlink(projectRoot(), path.join(folder, 'node_modules/huey-runtime'), 'dir');
  for (const [name, text] of Object.entries(files)) {
    await mkdir(path.dirname(path.join(folder, name)), { recursive: true });
    await writeFile(path.join(folder, name), text);
  }
  return folder;
}

/** A module that is as it should be: a Huey in memory, and a task that says so when it runs. */
export const GOOD_MODULE = `
import { MemoryHuey } from 'huey-runtime';
export const huey = new MemoryHuey('cli');
export const hello = huey.task(function hello() {});
`;
