/** A progress bar where somebody looks, else a line for every quarter. On standard error: the output is the report. */

const WIDTH = 40;
const DRAW_MS = 50;
const QUARTERS = 4;

export class Progress {
  #done = 0;
  #drawnAt = 0;
  #quarter = 0;
  #total;
  #isTerminal = process.stderr.isTTY === true;

  /** @param {number} total */
  constructor(total) {
    this.#total = total;
  }

  /** @param {number} count */
  add(count) {
    this.#done += count;
    if (this.#isTerminal) {
      const now = performance.now();
      if (now - this.#drawnAt < DRAW_MS && this.#done < this.#total) return;
      this.#drawnAt = now;
      process.stderr.write(`\r${this.#bar()}`);
      return;
    }
    const quarter = Math.floor((QUARTERS * this.#done) / this.#total);
    if (quarter === this.#quarter) return;
    this.#quarter = quarter;
    console.error(`indexed ${this.#done} of ${this.#total}`);
  }

  /** Leaves the line to others. */
  end() {
    if (this.#isTerminal) process.stderr.write('\n');
  }

  #bar() {
    const full = this.#total === 0 ? WIDTH : Math.floor((WIDTH * this.#done) / this.#total);
    return `[${'#'.repeat(full)}${'.'.repeat(WIDTH - full)}] ${this.#done} of ${this.#total}`;
  }
}
