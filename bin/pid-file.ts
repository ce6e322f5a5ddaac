/**
 * The file that says which process the consumer is, for whoever wants to signal it. Duties:
 *  1. written at start: one that a living process wrote is refused, one that a dead process left is replaced;
 *  2. removed at the end of the process, as long as it is still this one's.
 */
import { closeSync, openSync, readFileSync, statSync, unlinkSync, writeSync } from 'node:fs';
import { UsageError } from './values.js';

/** How far the clock of the file system and the one that counts processes' starts may be apart. */
const CLOCK_SLACK_MS = 5000;
/** Of /proc, on every Linux that node runs on. */
const TICKS_PER_SECOND = 100;
const ATTEMPTS_MAX = 3;

/** @throws UsageError where a consumer runs that wrote it, or where it cannot be written. */
export function holdPidFile(file: string): void {
  for (let attempt = 1; !create(file); attempt++) {
    const pid = livingWriter(file);
    if (pid !== undefined) throw new UsageError(`--pid-file ${file}: process ${pid} runs under it already`);
    if (attempt === ATTEMPTS_MAX) throw new UsageError(`--pid-file ${file}: others write it at the same time; give each consumer its own`);
    remove(file);
  }
  process.once('exit', () => {
    if (readPid(file) === process.pid) remove(file);
  });
}

/** Of the process that wrote it and still lives; undefined where there is none, or the file is not there. */
export function livingWriter(file: string): number | undefined {
  const pid = readPid(file);
  // In a container the next process may have the number of the one before it.
  if (pid === undefined || pid === process.pid || !isAlive(pid)) return undefined;
  const startedAt = startOf(pid);
  // The number is that of another process by now: the writer was there before what it wrote.
  if (startedAt !== undefined && startedAt > statSync(file).mtimeMs + CLOCK_SLACK_MS) return undefined;
  return pid;
}

function create(file: string): boolean {
  try {
    const fd = openSync(file, 'wx');
    writeSync(fd, `${process.pid}\n`);
    closeSync(fd);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw new UsageError(`--pid-file cannot be written: ${(error as Error).message}`);
  }
}

function remove(file: string): void {
  try {
    unlinkSync(file);
  } catch {
    // Somebody was faster.
  }
}

function readPid(file: string): number | undefined {
  try {
    const pid = Number(readFileSync(file, 'utf8').trim());
    return Number.isInteger(pid) && pid > 0 ? pid : undefined;
  } catch {
    return undefined;
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // It is there, and another user's.
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** When the process began, ms since 1970; undefined where the system does not tell. */
function startOf(pid: number): number | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The 22nd field; the second one, in brackets, may have blanks in it.
    const ticks = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]);
    const [, bootSeconds] = /^btime (\d+)$/m.exec(readFileSync('/proc/stat', 'utf8')) ?? [];
    const startedAt = (Number(bootSeconds) + ticks / TICKS_PER_SECOND) * 1000;
    return Number.isFinite(startedAt) ? startedAt : undefined;
  } catch {
    return undefined;
  }
}
