/**
 * The work itself, as plain functions that know nothing of a queue: what is in a file, what is in two indexes together,
 * and the report. An index is small enough to be an argument and a result: it keeps the most frequent words only, so
 * that two of them always fit into one message of 1 MiB.
 */
import { createHash } from 'node:crypto';
import { closeSync, openSync, readSync } from 'node:fs';
import path from 'node:path';

/**
 * @typedef {object} Index
 * @property {number} files
 * @property {number} unreadable
 * @property {number} binary
 * @property {number} bytes
 * @property {number} words
 * @property {string} sha256 of the file; of several, of their hashes in order
 * @property {[path: string, bytes: number][]} largest
 * @property {[word: string, count: number][]} frequent
 */

const FILE_WORDS_MAX = 5_000;
const MERGED_WORDS_MAX = 10_000;
/** Longer ones are no words of a language. */
const WORD_MAX_CHARS = 30;
const LARGEST = 10;
const SHOWN_WORDS = 15;

const PIECE_BYTES = 1024 * 1024;
/** A file with a zero byte this near to its beginning is no text. git has the same rule. */
const BINARY_LOOK_BYTES = 8000;

/**
 * Reads in pieces, so that the size of a file does not matter; synchronously, for a worker thread has nothing else to do.
 * @param {string} folder
 * @param {string} file seen from the folder
 * @returns {Index}
 */
export function indexFile(folder, file) {
  const hash = createHash('sha256');
  const words = new WordCounter();
  let bytes = 0;
  let isBinary = false;
  try {
    for (const piece of pieces(path.join(folder, file))) {
      if (bytes === 0) isBinary = piece.subarray(0, BINARY_LOOK_BYTES).includes(0);
      bytes += piece.length;
      hash.update(piece);
      // Words are made of ASCII letters here, and those are the same in every encoding that matters.
      if (!isBinary) words.add(piece.toString('latin1'));
    }
  } catch (error) {
    // Gone since the folder was listed, or not ours to read: a fact about the file, not a failure of the task.
    if (error instanceof Error && 'syscall' in error) return { ...emptyIndex(), unreadable: 1 };
    throw error;
  }
  words.end();
  return {
    files: 1,
    unreadable: 0,
    binary: isBinary ? 1 : 0,
    bytes,
    words: words.total,
    sha256: hash.digest('hex'),
    largest: [[file, bytes]],
    frequent: mostFrequent(words.counts, FILE_WORDS_MAX),
  };
}

/**
 * @param {Index[]} indexes in the order of their files
 * @returns {Index}
 */
export function mergeIndexes(indexes) {
  const merged = emptyIndex();
  const hash = createHash('sha256');
  /** @type {Map<string, number>} */
  const counts = new Map();
  for (const index of indexes) {
    for (const key of /** @type {const} */ (['files', 'unreadable', 'binary', 'bytes', 'words'])) merged[key] += index[key];
    hash.update(index.sha256);
    merged.largest.push(...index.largest);
    for (const [word, count] of index.frequent) counts.set(word, (counts.get(word) ?? 0) + count);
  }
  merged.sha256 = hash.digest('hex');
  merged.largest = merged.largest.sort((a, b) => b[1] - a[1] || compare(a[0], b[0])).slice(0, LARGEST);
  merged.frequent = mostFrequent(counts, MERGED_WORDS_MAX);
  return merged;
}

/**
 * @param {Index} index
 * @returns {string}
 */
export function writeReport(index) {
  const { files, unreadable, binary, bytes, words, sha256, largest, frequent } = index;
  return [
    `${files} files, ${binary} of them binary, ${unreadable} more unreadable`,
    `${bytes} bytes, ${words} words`,
    `sha256 of all ${sha256}`,
    '',
    'largest files',
    ...largest.map(([file, size]) => `${String(size).padStart(12)}  ${file}`),
    '',
    'most frequent words',
    ...frequent.slice(0, SHOWN_WORDS).map(([word, count]) => `${String(count).padStart(12)}  ${word}`),
    '',
  ].join('\n');
}

/** @returns {Index} */
export function emptyIndex() {
  return { files: 0, unreadable: 0, binary: 0, bytes: 0, words: 0, sha256: '', largest: [], frequent: [] };
}

/** Counts words of lower-case letters, also with a capital: neither CONSTANTS nor what an encoding made of bytes. */
class WordCounter {
  total = 0;
  /** @type {Map<string, number>} */
  counts = new Map();
  /** How the last piece ended: the word may go on in the next. */
  #rest = '';

  /** @param {string} piece */
  add(piece) {
    const text = this.#rest + piece;
    let end = text.length;
    while (end > 0 && isWordCode(text.charCodeAt(end - 1))) end--;
    this.#count(text.slice(0, end));
    // What is too long for a word may lose its end, so that a file without any gap does not pile up here.
    this.#rest = text.slice(end, end + WORD_MAX_CHARS + 1);
  }

  end() {
    this.#count(this.#rest);
    this.#rest = '';
  }

  /** @param {string} text */
  #count(text) {
    for (const [match] of text.matchAll(/\b[A-Za-z][a-z]+\b/g)) {
      if (match.length > WORD_MAX_CHARS) continue;
      const word = match.toLowerCase();
      this.total += 1;
      this.counts.set(word, (this.counts.get(word) ?? 0) + 1);
    }
  }
}

/**
 * Of what \b takes for a part of a word.
 * @param {number} code
 */
function isWordCode(code) {
  return (code >= 97 && code <= 122) || (code >= 65 && code <= 90) || (code >= 48 && code <= 57) || code === 95;
}

/**
 * Sorted by count and then by letters, so that the order of counting leaves no trace.
 * @param {Map<string, number>} counts
 * @param {number} most
 */
function mostFrequent(counts, most) {
  return [...counts].sort((a, b) => b[1] - a[1] || compare(a[0], b[0])).slice(0, most);
}

/**
 * By code units: the same on every machine, whatever its language.
 * @param {string} a
 * @param {string} b
 */
function compare(a, b) {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** @param {string} file */
function* pieces(file) {
  const fd = openSync(file, 'r');
  try {
    const buffer = Buffer.allocUnsafe(PIECE_BYTES);
    for (let length = readSync(fd, buffer); length > 0; length = readSync(fd, buffer)) yield buffer.subarray(0, length);
  } finally {
    closeSync(fd);
  }
}
