/** A folder of its own for a test, removed when it ends. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';

/** What node's test contexts and suites have in common here. */
export interface Cleanup {
  after(hook: () => Promise<void>): void;
}

export async function tempDir(t: Cleanup): Promise<string> {
  const folder = await makeTempDir();
  t.after(() => removeDir(folder));
  return folder;
}

export function makeTempDir(): Promise<string> {
  return mkdtemp(path.join(tmpdir(), 'huey-runtime-'));
}

/** Tries again for a while: a process that was just killed may still hold files in it. */
export function removeDir(folder: string): Promise<void> {
  return rm(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 });
}
