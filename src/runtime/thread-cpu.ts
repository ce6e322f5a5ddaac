/**
 * How long this thread was on a processor. Node counts that for a thread from 23.9 on; before, the kernel of Linux is
 * asked, which counts in steps of its clock (1 to 4 ms). Elsewhere nobody knows. A look takes some microseconds.
 */
import { openSync, readSync } from 'node:fs';

const NANOS_PER_MS = 1_000_000;
const MICROS_PER_MS = 1000;
/** Of the thread that opens it, and of no other. */
const KERNEL_FILE = '/proc/thread-self/schedstat';

/** In ms, from some instant on; undefined where it cannot be had. */
export function threadCpuMs(): number | undefined {
  return (read ??= findReader())();
}

type Reader = () => number | undefined;
let read: Reader | undefined;

function findReader(): Reader {
  const { threadCpuUsage } = process as { threadCpuUsage?: () => { user: number; system: number } };
  if (threadCpuUsage !== undefined) {
    return () => {
      const { user, system } = threadCpuUsage.call(process);
      return (user + system) / MICROS_PER_MS;
    };
  }
  try {
    // Never closed: node does that when the thread ends.
    const fd = openSync(KERNEL_FILE, 'r');
    const bytes = Buffer.alloc(64);
    return () => {
      const nanos = Number.parseInt(bytes.toString('latin1', 0, readSync(fd, bytes, 0, bytes.length, 0)), 10);
      return Number.isNaN(nanos) ? undefined : nanos / NANOS_PER_MS;
    };
  } catch {
    return () => undefined;
  }
}
