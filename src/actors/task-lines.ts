/** What tasks wrote with console, and where it goes: tagged or plain to the streams of the process, or to a function of the host. */
import { once } from 'node:events';
import type { Writable } from 'node:stream';
import { ConfigurationError } from '../runtime/errors.js';

/** What one call of console wrote. */
export interface TaskLine {
  /** `warn`: console.warn and assert; `error`: console.error and trace; `info`: everything else. */
  readonly level: 'info' | 'warn' | 'error';
  /** As console put it together, without the newline at its end; may have several lines. */
  readonly text: string;
  /** Name of the task; absent outside of tasks: while the module loads, in handlers of signals. */
  readonly task?: string;
  /** Id of the call; where `task` is. */
  readonly id?: string;
}

/** A promise says when it is written: until then the threads are given no room for more. */
export type LineWriter = (line: TaskLine) => void | Promise<unknown>;

export type OutputOption = 'tagged' | 'plain' | LineWriter;

/** @throws ConfigurationError */
export function checkOutput(option: unknown): OutputOption {
  if (option === undefined) return 'tagged';
  if (option === 'tagged' || option === 'plain' || typeof option === 'function') return option as OutputOption;
  throw new ConfigurationError("output must be 'tagged', 'plain' or a function that takes a line", 'bad-option');
}

export function lineWriter(option: OutputOption): LineWriter {
  if (typeof option === 'function') return option;
  const textOf = option === 'tagged' ? taggedText : ({ text }: TaskLine) => `${text}\n`;
  return (line) => writeTo(line.level === 'info' ? process.stdout : process.stderr, textOf(line));
}

/** `[task id] text`, on each of its lines. */
export function taggedLines({ text, task, id }: TaskLine): string[] {
  const lines = text.split('\n');
  return task === undefined ? lines : lines.map((line) => `[${task} ${id}] ${line}`);
}

/** A promise where the stream has more to write than it likes to keep; never rejects. */
export function writeTo(stream: Writable, text: string): void | Promise<unknown> {
  if (stream.write(text) || !stream.writable) return;
  let drained = draining.get(stream);
  if (drained === undefined) {
    drained = once(stream, 'drain').catch(() => undefined);
    draining.set(
      stream,
      drained.finally(() => draining.delete(stream)),
    );
  }
  return drained;
}

/** One wait for all lines that are late. */
const draining = new WeakMap<Writable, Promise<unknown>>();

function taggedText(line: TaskLine): string {
  return `${taggedLines(line).join('\n')}\n`;
}
