/** Where log lines and what tasks write go: to standard output, with colours where somebody looks, or to the end of a file. */
import { closeSync, openSync, writeSync } from 'node:fs';
import { createLogger, type LineWriter, type Logger, type LogOptions, type TaskLine } from '../src/actors/index.js';
import { logLine } from '../src/actors/log.js';
import { taggedLines, writeTo } from '../src/actors/task-lines.js';
import type { LogSettings } from './settings.js';
import { UsageError } from './values.js';

export interface LogLines {
  readonly logger: Logger;
  /** What tasks wrote: to the same place, whatever the level that was asked for. */
  readonly output: LineWriter;
  /** The file may have been moved away, to be kept or packed: lines go to one of its name again. */
  reopen(): void;
  close(): void;
}

/** @throws UsageError where the file cannot be opened. */
export function openLog({ level, format, simple, file }: LogSettings): LogLines {
  if (file === undefined) {
    const colors = process.stdout.isTTY === true && (process.env['NO_COLOR'] ?? '') === '';
    return {
      logger: createLogger({ level, format, simple, colors, write: (line) => process.stdout.write(line) }),
      output: (line) => writeTo(process.stdout, textOf({ format, simple, colors }, line)),
      reopen: () => undefined,
      close: () => undefined,
    };
  }
  let fd = openAtEnd(file);
  // In one call a line, so that several processes can share the file and a crash loses none.
  const write = (line: string): void => {
    try {
      writeSync(fd, line);
    } catch {
      // A full disk must not end a consumer whose tasks may run without it.
    }
  };
  const reopen = (): void => {
    const before = fd;
    try {
      fd = openSync(file, 'a');
      closeSync(before);
    } catch (error) {
      write(`--logfile cannot be opened anew, the one before is written on: ${(error as Error).message}\n`);
    }
  };
  return {
    logger: createLogger({ level, format, simple, write }),
    output: (line) => write(textOf({ format, simple }, line)),
    reopen,
    close: () => closeSync(fd),
  };
}

/** A record as it is for programs, a line of its own for each of its lines for people. */
function textOf(options: Omit<LogOptions, 'level' | 'write'>, line: TaskLine): string {
  const { level, text, task, id } = line;
  if (options.format === 'json') return logLine(options, level, text, { task, id });
  return taggedLines(line)
    .map((one) => logLine(options, level, one))
    .join('');
}

function openAtEnd(file: string): number {
  try {
    return openSync(file, 'a');
  } catch (error) {
    throw new UsageError(`--logfile cannot be opened: ${(error as Error).message}`);
  }
}
