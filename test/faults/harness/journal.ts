/**
 * What really ran: each run of a task appends one line, `id pid milliseconds`, as it begins. An append of a short line
 * is whole, from however many processes, and outlives the process that made it.
 */
import { appendFileSync, readFileSync } from 'node:fs';

export interface Run {
  id: string;
  /** The process in which it ran. */
  pid: number;
  /** Wall time of its beginning, ms since 1970. */
  at: number;
}

export class Journal {
  readonly file: string;

  constructor(file: string) {
    this.file = file;
  }

  /** All runs so far, in the order in which they began. */
  runs(): Run[] {
    return this.#text()
      .split('\n')
      .slice(0, -1)
      .map((line) => {
        const [id = '', pid, at] = line.split(' ');
        return { id, pid: Number(pid), at: Number(at) };
      });
  }

  /** Runs by id. */
  byId(): Map<string, Run[]> {
    const found = new Map<string, Run[]>();
    for (const run of this.runs()) {
      const runs = found.get(run.id);
      if (runs === undefined) found.set(run.id, [run]);
      else runs.push(run);
    }
    return found;
  }

  /** Those of these that ran more than once, as text with the processes in which they did: for comparing with []. */
  repeated(ids: readonly string[]): string[] {
    const byId = this.byId();
    return ids.flatMap((id) => {
      const runs = byId.get(id) ?? [];
      return runs.length < 2 ? [] : [`${id}: ${runs.map(({ pid, at }) => `process ${pid} at ${at}`).join(', ')}`];
    });
  }

  /** How many runs began so far. */
  count(): number {
    return this.runs().length;
  }

  /** How many ids ran at least once. */
  distinct(): number {
    return this.byId().size;
  }

  #text(): string {
    try {
      return readFileSync(this.file, 'utf8');
    } catch {
      // No run has begun yet.
      return '';
    }
  }
}

/** The line of one run; called by tasks. Gives the instant that it notes. */
export function noteRun(file: string, id: string): number {
  const at = trueNow();
  appendFileSync(file, `${id} ${process.pid} ${at}\n`);
  return at;
}

/** Wall time in whole milliseconds, in a process whose `Date` a fault has moved too. */
export function trueNow(): number {
  return Math.round(performance.timeOrigin + performance.now());
}
