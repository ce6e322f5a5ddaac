/**
 * A line of messages: ordered by rank, first in first out among equals. An entry that is given back goes to the head
 * of its rank. Everything in memory storage that waits stands in such a line: what is ready (one rank), what has a
 * priority (rank: the priority, negated), what is scheduled (rank: the instant it is due).
 */

export interface LineEntry {
  rank: number;
  text: string;
}

export class Line {
  /** Filled from #first on; the slots before it make leaving and giving back cheap. */
  #entries: (LineEntry | undefined)[] = [];
  #first = 0;

  get size(): number {
    return this.#entries.length - this.#first;
  }

  /** In order; for a look. */
  *entries(): Generator<LineEntry> {
    for (let at = this.#first; at < this.#entries.length; at++) {
      const entry = this.#entries[at];
      if (entry !== undefined) yield entry;
    }
  }

  peek(limit: number): LineEntry[] {
    return this.#entries.slice(this.#first, this.#first + limit).filter((entry) => entry !== undefined);
  }

  clear(): void {
    this.#entries = [];
    this.#first = 0;
  }

  first(): LineEntry | undefined {
    return this.#entries[this.#first];
  }

  add(text: string, rank: number, at: 'head' | 'tail'): void {
    const index = this.#indexOf(rank, at);
    if (index === this.#entries.length) this.#entries.push({ rank, text });
    else if (index === this.#first) this.#prepend({ rank, text });
    else this.#entries.splice(index, 0, { rank, text });
  }

  /** Takes the first one out. */
  shift(): LineEntry | undefined {
    const entry = this.#entries[this.#first];
    if (entry === undefined) return undefined;
    this.#entries[this.#first++] = undefined;
    if (this.#first > 1024 && this.#first * 2 > this.#entries.length) {
      this.#entries = this.#entries.slice(this.#first);
      this.#first = 0;
    }
    return entry;
  }

  /** Takes this one out, wherever it stands. False where it is not here. */
  remove(text: string): boolean {
    const index = this.#entries.findIndex((entry) => entry?.text === text);
    if (index < 0) return false;
    if (index === this.#first) this.shift();
    else this.#entries.splice(index, 1);
    return true;
  }

  /** Where an entry of this rank belongs: before all of its rank, or behind them. */
  #indexOf(rank: number, at: 'head' | 'tail'): number {
    let low = this.#first;
    let high = this.#entries.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const there = this.#entries[middle]?.rank ?? 0;
      if (there < rank || (there === rank && at === 'tail')) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #prepend(entry: LineEntry): void {
    if (this.#first === 0) {
      const room = this.#entries.length + 16;
      this.#entries = [...new Array<undefined>(room).fill(undefined), ...this.#entries];
      this.#first = room;
    }
    this.#entries[--this.#first] = entry;
  }
}
