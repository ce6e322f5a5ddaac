/** Real work: the same report, byte for byte, from every storage and from a plain loop. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { pathToFileURL } from 'node:url';
import { projectRoot } from '../support/project-root.js';
import { startNode } from '../support/child.js';
import { tempDir } from '../support/temp-dir.js';
import { cleanEnv } from '../cli/command.js';
import { runExample, STORAGES } from './run-example.js';

interface Index {
  files: number;
  unreadable: number;
  binary: number;
  bytes: number;
  words: number;
  sha256: string;
  largest: [string, number][];
  frequent: [string, number][];
}

interface Indexing {
  indexFile(folder: string, file: string): Index;
  mergeIndexes(indexes: Index[]): Index;
}

const indexing = (await import(pathToFileURL(path.join(projectRoot(), 'examples/index-files/indexing.js')).href)) as Indexing;

describe('examples/index-files', () => {
  it('gives the same report, byte for byte, on every storage and without a queue', async (t) => {
    const folder = await sampleFolder(t, 450);
    const reports = new Map<string, string>();
    for (const [storage, open] of Object.entries(STORAGES)) {
      const { stdout, stderr } = await runExample(t, 'index-files', await open(t), [folder, '--verify']);
      assert.match(stdout, /a plain loop gives the same report, byte for byte/);
      assert.match(stderr, /indexed 452 of 452/);
      reports.set(storage, stdout);
    }
    assert.equal(new Set(reports.values()).size, 1);
    const [report = ''] = reports.values();
    assert.match(report, /^452 files, 1 of them binary, 0 more unreadable\n/);
    // Each file says "bean" as often as its number modulo 5.
    assert.match(report, /\n +900 {2}bean\n/);
    assert.match(report, /largest files\n +300000 {2}large\.txt\n/);
  });

  it('takes no longer than it must on an empty folder', async (t) => {
    const [open] = Object.values(STORAGES);
    assert.ok(open);
    const { stdout } = await runExample(t, 'index-files', await open(t), [await tempDir(t), '--verify']);
    assert.match(stdout, /^0 files, 0 of them binary, 0 more unreadable\n/);
  });

  it('says in one line that a folder is not there', async (t) => {
    const main = path.join(projectRoot(), 'examples/index-files/main.js');
    const child = startNode([main, path.join(await tempDir(t), 'nowhere')], { env: cleanEnv() });
    assert.deepEqual(await child.exited, { code: 2, signal: null });
    assert.match(child.stderr(), /^there is no folder .*nowhere\n$/);
  });
});

describe('the index of a file', () => {
  it('has its size, its hash and its words, in small letters', async (t) => {
    const folder = await tempDir(t);
    const text = 'The bean, the BEAN_COUNT and x42: the beans. A\n';
    await writeFile(path.join(folder, 'a.txt'), text);
    assert.deepEqual(indexing.indexFile(folder, 'a.txt'), {
      files: 1,
      unreadable: 0,
      binary: 0,
      bytes: text.length,
      words: 6,
      sha256: createHash('sha256').update(text).digest('hex'),
      largest: [['a.txt', text.length]],
      frequent: [
        ['the', 3],
        ['and', 1],
        ['bean', 1],
        ['beans', 1],
      ],
    });
  });

  it('does not care where a file is cut into pieces', async (t) => {
    const folder = await tempDir(t);
    const count = 400_000;
    await writeFile(path.join(folder, 'a.txt'), 'beans '.repeat(count));
    assert.deepEqual(indexing.indexFile(folder, 'a.txt').frequent, [['beans', count]]);
  });

  it('bears a file without any gap', async (t) => {
    const folder = await tempDir(t);
    await writeFile(path.join(folder, 'a.txt'), 'x'.repeat(5_000_000));
    assert.equal(indexing.indexFile(folder, 'a.txt').words, 0);
  });

  it('has no words where the file is binary', async (t) => {
    const folder = await tempDir(t);
    await writeFile(path.join(folder, 'a.bin'), 'some words and a \0 byte');
    const { binary, words, bytes } = indexing.indexFile(folder, 'a.bin');
    assert.deepEqual({ binary, words, bytes }, { binary: 1, words: 0, bytes: 23 });
  });

  it('counts a file that cannot be read as that', async (t) => {
    const { files, unreadable } = indexing.indexFile(await tempDir(t), 'gone.txt');
    assert.deepEqual({ files, unreadable }, { files: 0, unreadable: 1 });
  });

  it('is, merged with others, never too big for a message', () => {
    const word = (i: number): string =>
      `${'w'.repeat(22)}${String.fromCharCode(...[...i.toString(26).padStart(8, '0')].map((c) => 97 + parseInt(c, 26)))}`;
    const frequent = Array.from({ length: 30_000 }, (_, i): [string, number] => [word(i), 4_000_000_000]);
    const one: Index = { files: 1, unreadable: 0, binary: 0, bytes: 1, words: 1, sha256: '0'.repeat(64), largest: [], frequent };
    const merged = indexing.mergeIndexes([one, one]);
    assert.ok(Buffer.byteLength(JSON.stringify([merged, merged])) < 1024 * 1024);
  });
});

/** So many small files, a large one, and one that is no text. */
async function sampleFolder(t: TestContext, count: number): Promise<string> {
  const folder = await tempDir(t);
  for (let i = 0; i < count; i++) {
    const sub = path.join(folder, `part-${i % 7}`);
    await mkdir(sub, { recursive: true });
    await writeFile(path.join(sub, `file-${i}.txt`), `${'bean '.repeat(i % 5)}${'pod '.repeat(i % 3)}of number ${i}\n`);
  }
  await writeFile(path.join(folder, 'large.txt'), 'lorem '.repeat(50_000));
  await writeFile(path.join(folder, 'image.bin'), Buffer.from([0, 1, 2, 3]));
  return folder;
}
