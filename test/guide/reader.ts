/** A reader of the guide: a project of their own with its files, a consumer from the command, scripts that are run by hand. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { parseConnectionUrl } from '../../src/runtime/connection.js';
import { createStorage } from '../../src/runtime/storage/create.js';
import type { Storage } from '../../src/runtime/storage.js';
import { cleanEnv, RUNNING, startCommand, userProject } from '../cli/command.js';
import { startNode, type TestChild } from '../support/child.js';
import { projectRoot } from '../support/project-root.js';
import { startRedis } from '../support/redis.js';
import type { Cleanup } from '../support/temp-dir.js';

/** As in the guide: the embedded file without a word, Redis where HUEY_URL says so. */
export const STORAGES: Record<string, (t: Cleanup) => Promise<Record<string, string>>> = {
  SQLite: async () => ({}),
  Redis: async (t) => {
    const server = await startRedis();
    t.after(() => server.stop());
    return { HUEY_URL: server.url };
  },
};

export const GUIDE_FILES: Record<string, string> = Object.fromEntries(
  readdirSync(path.join(projectRoot(), 'examples/guide')).map((file) => [
    file,
    readFileSync(path.join(projectRoot(), 'examples/guide', file), 'utf8'),
  ]),
);

/** What the guide says a script prints: the block behind `node FILE`. */
export function printedBy(file: string): string {
  const guide = readFileSync(path.join(projectRoot(), 'docs/guide.md'), 'utf8');
  const block = new RegExp(`\`\`\`sh\\nnode ${file.replace('.', '\\.')}\\n\`\`\`\\n\\n\`\`\`text\\n([^]*?)\`\`\``).exec(guide);
  assert.ok(block, `docs/guide.md shows what ${file} prints`);
  return block[1] ?? '';
}

/** Nobody waits a minute in `npm test`. What is replaced must be there. */
export function shortened(files: Record<string, string>): Record<string, string> {
  const replacements: [file: string, long: string, short: string][] = [
    ['tasks.js', 'retryDelay: 10 ', 'retryDelay: 1 '],
    ['retries.js', 'sleep(5_000)', 'sleep(500)'],
    ['schedule.js', 'delay: 60', 'delay: 2'],
    ['schedule.js', '60_000', '1_000'],
    ['cancel.js', 'delay: 60', 'delay: 2'],
  ];
  const all = { ...files };
  for (const [file, long, short] of replacements) {
    const text = all[file] ?? '';
    assert.ok(text.includes(long), `${file} has ${long}`);
    all[file] = text.replaceAll(long, short);
  }
  return all;
}

export class Reader {
  readonly #t: Cleanup;
  readonly cwd: string;
  readonly env: Record<string, string>;

  private constructor(t: Cleanup, cwd: string, env: Record<string, string>) {
    this.#t = t;
    this.cwd = cwd;
    this.env = env;
  }

  static async open(
    t: Cleanup,
    { env, files = shortened(GUIDE_FILES) }: { env: Record<string, string>; files?: Record<string, string> },
  ): Promise<Reader> {
    return new Reader(t, await userProject(t, files), env);
  }

  /** `huey-runtime tasks.js`, up and running. */
  async consumer(args: readonly string[] = ['tasks.js', '-w', '2'], env: Record<string, string> = {}): Promise<TestChild> {
    const child = startCommand(this.#t, args, { cwd: this.cwd, env: { ...this.env, ...env } });
    await child.waitFor(RUNNING);
    return child;
  }

  /** `node FILE`, from its start. */
  start(file: string): TestChild {
    const child = startNode([path.join(this.cwd, file)], { cwd: this.cwd, env: cleanEnv(this.env) });
    this.#t.after(async () => {
      await child.stop();
    });
    return child;
  }

  /** `node FILE`, to its end. Gives what it printed. */
  async run(file: string): Promise<string> {
    const child = this.start(file);
    assert.deepEqual(await child.exited, { code: 0, signal: null }, child.output());
    return child.stdout();
  }

  /** A look behind the scenes. */
  async storage(queue = 'guide'): Promise<Storage> {
    const { HUEY_URL } = this.env;
    const folder = path.join(this.cwd, '.huey');
    if (HUEY_URL === undefined) await mkdir(folder, { recursive: true });
    const url = HUEY_URL ?? `sqlite:${path.join(folder, `${queue}.db`)}`;
    const storage = await createStorage(queue, parseConnectionUrl(url, queue));
    await storage.open();
    this.#t.after(() => storage.close());
    return storage;
  }
}
