/**
 * Cuts a stream of Redis' protocol (RESP 2 and 3) into whole frames, requests and replies alike, and reads just enough of
 * each to name it. A frame's bytes are passed on as they came.
 */

export interface Frame {
  bytes: Buffer;
  /** The first character: `*`, `$`, `+`, `-`, `:`, `>`, ... */
  type: string;
  /** Of a list the first texts in it, of a simple reply its line. */
  words: string[];
  /** Of a list: how many elements it has. */
  size: number;
}

const WORDS_MAX = 3;
/** Enough for every script. */
const WORD_BYTES_MAX = 64 * 1024;
const CR_LF = '\r\n';

export class FrameSplitter {
  #rest: Buffer = Buffer.alloc(0);

  /** The frames that are whole with these bytes. What is left waits for more. */
  push(bytes: Buffer): Frame[] {
    this.#rest = this.#rest.length === 0 ? bytes : Buffer.concat([this.#rest, bytes]);
    const frames: Frame[] = [];
    for (;;) {
      const words: string[] = [];
      const end = endOf(this.#rest, 0, words);
      if (end < 0) return frames;
      const type = String.fromCharCode(this.#rest[0] ?? 0);
      const size = '*>~%'.includes(type) ? lengthAt(this.#rest, 0) : 1;
      frames.push({ bytes: this.#rest.subarray(0, end), type, words, size });
      this.#rest = this.#rest.subarray(end);
    }
  }
}

/** Where the value that starts at `at` ends; -1 where it is not whole. Notes the first texts in it. */
function endOf(buffer: Buffer, at: number, words: string[]): number {
  const lineEnd = buffer.indexOf(CR_LF, at, 'latin1');
  if (lineEnd < 0) return -1;
  const next = lineEnd + CR_LF.length;
  switch (String.fromCharCode(buffer[at] ?? 0)) {
    case '$':
    case '=':
    case '!': {
      const length = lengthAt(buffer, at);
      if (length < 0) return next;
      const end = next + length + CR_LF.length;
      if (end > buffer.length) return -1;
      if (words.length < WORDS_MAX) words.push(buffer.toString('latin1', next, next + Math.min(length, WORD_BYTES_MAX)));
      return end;
    }
    case '*':
    case '>':
    case '~':
      return endOfList(buffer, next, lengthAt(buffer, at), words);
    case '%':
    case '|':
      return endOfList(buffer, next, 2 * lengthAt(buffer, at), words);
    default:
      // A simple reply, or a request that somebody typed.
      if (words.length < WORDS_MAX) words.push(buffer.toString('latin1', at + 1, Math.min(lineEnd, at + WORD_BYTES_MAX)));
      return next;
  }
}

function endOfList(buffer: Buffer, start: number, length: number, words: string[]): number {
  let at = start;
  for (let i = 0; i < length; i++) {
    at = endOf(buffer, at, words);
    if (at < 0) return -1;
  }
  return at;
}

function lengthAt(buffer: Buffer, at: number): number {
  return Number(buffer.toString('latin1', at + 1, buffer.indexOf(CR_LF, at, 'latin1')));
}
