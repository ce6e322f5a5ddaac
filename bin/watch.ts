/**
 * Tells when code in a folder has changed, for development. Each folder is watched by itself, since node's recursive
 * watch would walk through node_modules too; of what else lies there (data, logs, the queue's own file) nothing is told.
 */
import { readdirSync, watch, type FSWatcher } from 'node:fs';
import path from 'node:path';

/** An editor or a compiler writes several files, and each of them more than once. */
const DEBOUNCE_MS = 200;
const CODE = /\.[cm]?[jt]sx?$/;
/** And whatever begins with a dot: .git, .huey. */
const LEFT_OUT: ReadonlySet<string> = new Set(['node_modules']);

export class CodeWatch {
  readonly #onChange: () => void;
  readonly #watchers = new Map<string, FSWatcher>();
  #timer: NodeJS.Timeout | undefined;

  constructor(folder: string, onChange: () => void) {
    this.#onChange = onChange;
    this.#add(folder);
  }

  close(): void {
    clearTimeout(this.#timer);
    for (const folder of [...this.#watchers.keys()]) this.#drop(folder);
  }

  #add(folder: string): void {
    if (this.#watchers.has(folder)) return;
    try {
      const watcher = watch(folder, { persistent: false }, (kind, name) => this.#changed(folder, kind, name ?? undefined));
      // It was removed; its parent tells when there is one of that name again.
      watcher.on('error', () => this.#drop(folder));
      this.#watchers.set(folder, watcher);
      for (const entry of readdirSync(folder, { withFileTypes: true })) {
        if (entry.isDirectory() && isWatched(entry.name)) this.#add(path.join(folder, entry.name));
      }
    } catch {
      // Gone again, or not for this user to read.
      this.#drop(folder);
    }
  }

  #drop(folder: string): void {
    this.#watchers.get(folder)?.close();
    this.#watchers.delete(folder);
  }

  #changed(folder: string, kind: string, name: string | undefined): void {
    if (name === undefined || CODE.test(name)) return this.#soon();
    const full = path.join(folder, name);
    if (kind !== 'rename' || !isWatched(name)) return;
    // A folder that came or went, perhaps with code in it.
    const count = this.#watchers.size;
    for (const one of [...this.#watchers.keys()]) if (one === full || one.startsWith(full + path.sep)) this.#drop(one);
    if (isFolder(full)) this.#add(full);
    if (this.#watchers.size !== count) this.#soon();
  }

  #soon(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#onChange(), DEBOUNCE_MS);
  }
}

function isWatched(name: string): boolean {
  return !name.startsWith('.') && !LEFT_OUT.has(name);
}

function isFolder(full: string): boolean {
  try {
    readdirSync(full);
    return true;
  } catch {
    return false;
  }
}
