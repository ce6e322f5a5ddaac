/**
 * The producer: node main.js [FOLDER] [--max-files N] [--verify]
 *
 * Lists the files of a folder (default: the node_modules of the project), has a consumer index them, and prints the
 * report. --verify does the same once more in a plain loop, without the queue; where the reports differ the exit code is 1.
 */
import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { tuple } from 'huey-runtime';
import * as indexing from './indexing.js';
import { buildReport } from './plan.js';
import { Progress } from './progress.js';
import { indexFile, mergeIndexes, writeReport } from './tasks.js';

/** For the case that no consumer runs: the longest wait for one result. */
const PATIENCE_SECONDS = 120;

const { folder, maxFiles, verify } = readArguments();
const files = await listFiles(folder, maxFiles);
console.error(`${files.length} files in ${folder}`);

const report = await withQueue();
console.log(report);
if (verify) {
  const same = (await withPlainLoop()) === report;
  console.log(same ? 'a plain loop gives the same report, byte for byte' : 'a plain loop gives ANOTHER report');
  if (!same) process.exitCode = 1;
}

async function withQueue() {
  const progress = new Progress(files.length);
  try {
    return await buildReport(files, {
      async indexFiles(batch) {
        // One bulk write for the calls; what comes back is read as it comes.
        const results = await indexFile.map(batch.map((file) => tuple(folder, file)));
        return Promise.all(results.map((result) => value(result).finally(() => progress.add(1))));
      },
      mergeIndexes: async (indexes) => value(await mergeIndexes(indexes)),
      writeReport: async (index) => value(await writeReport(index)),
    });
  } finally {
    progress.end();
  }
}

function withPlainLoop() {
  return buildReport(files, {
    indexFiles: async (batch) => batch.map((file) => indexing.indexFile(folder, file)),
    mergeIndexes: async (indexes) => indexing.mergeIndexes(indexes),
    writeReport: async (index) => indexing.writeReport(index),
  });
}

/**
 * @template T
 * @param {import('huey-runtime').Result<T>} result
 */
function value(result) {
  return result.get({ blocking: true, timeout: PATIENCE_SECONDS });
}

/**
 * The first files in the order of their paths, seen from the folder. Links are not followed.
 * @param {string} folder
 * @param {number} most
 */
async function listFiles(folder, most) {
  const files = await filesBelow(folder);
  return files
    .map((file) => path.relative(folder, file))
    .sort()
    .slice(0, most);
}

/**
 * @param {string} folder
 * @returns {Promise<string[]>}
 */
async function filesBelow(folder) {
  /** @type {string[]} */
  const files = [];
  // Not with { recursive: true }, which leaves out entries in Node 20.
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const file = path.join(folder, entry.name);
    if (entry.isFile()) files.push(file);
    else if (entry.isDirectory()) for (const below of await filesBelow(file)) files.push(below);
  }
  return files;
}

function readArguments() {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { 'max-files': { type: 'string' }, verify: { type: 'boolean', default: false } },
  });
  const maxFiles = Number(values['max-files'] ?? Infinity);
  if (!(maxFiles >= 0)) fail('--max-files takes a number');
  const folder = path.resolve(positionals[0] ?? nearestModules());
  if (!existsSync(folder)) fail(`there is no folder ${folder}`);
  return { folder, maxFiles, verify: values.verify };
}

/** Those of the project in which this is run, else those of this file. */
function nearestModules() {
  for (const start of [process.cwd(), import.meta.dirname]) {
    for (let folder = start; ; folder = path.dirname(folder)) {
      const modules = path.join(folder, 'node_modules');
      if (existsSync(modules)) return modules;
      if (folder === path.dirname(folder)) break;
    }
  }
  return '.';
}

/**
 * @param {string} message
 * @returns {never}
 */
function fail(message) {
  console.error(message);
  process.exit(2);
}
