/**
 * Which index is merged with which, whoever does the work: a queue or a plain loop. The plan depends on the files alone,
 * never on what is ready first, so that the report is the same to the last byte. Memory is bounded: a few batches of
 * files at a time, and one index of everything before them.
 */
import { emptyIndex } from './indexing.js';

/**
 * @typedef {import('./indexing.js').Index} Index
 * @typedef {object} Work who carries the steps out
 * @property {(files: string[]) => Promise<Index[]>} indexFiles
 * @property {(indexes: Index[]) => Promise<Index>} mergeIndexes
 * @property {(index: Index) => Promise<string>} writeReport
 */

const BATCH_FILES = 200;
const BATCHES_AT_ONCE = 3;
/** What goes into one message, which may be 1 MiB. Two merged indexes always fit, so merging comes to an end. */
const MESSAGE_BYTES = 1_000_000;

/**
 * @param {string[]} files
 * @param {Work} work
 * @returns {Promise<string>}
 */
export async function buildReport(files, work) {
  let all = emptyIndex();
  /** @type {Promise<Index>[]} */
  const underWay = [];
  for (const batch of batches(files)) {
    const next = indexBatch(batch, work);
    // It is awaited in its turn; until then its failure counts as heard.
    next.catch(() => undefined);
    underWay.push(next);
    if (underWay.length === BATCHES_AT_ONCE) await addFirst();
  }
  while (underWay.length > 0) await addFirst();
  return work.writeReport(all);

  async function addFirst() {
    const first = await underWay.shift();
    if (first !== undefined) all = await work.mergeIndexes([all, first]);
  }
}

/**
 * @param {string[]} files
 * @param {Work} work
 */
async function indexBatch(files, work) {
  let indexes = await work.indexFiles(files);
  while (indexes.length > 1) indexes = await Promise.all(groups(indexes).map((group) => work.mergeIndexes(group)));
  return indexes[0] ?? emptyIndex();
}

/** @param {string[]} files */
function* batches(files) {
  for (let i = 0; i < files.length; i += BATCH_FILES) yield files.slice(i, i + BATCH_FILES);
}

/**
 * Neighbours, as many as fit into one message.
 * @param {Index[]} indexes
 */
function groups(indexes) {
  /** @type {Index[][]} */
  const all = [];
  let room = 0;
  for (const index of indexes) {
    const bytes = Buffer.byteLength(JSON.stringify(index)) + 1;
    if (bytes > room) {
      all.push([]);
      room = MESSAGE_BYTES;
    }
    all.at(-1)?.push(index);
    room -= bytes;
  }
  return all;
}
