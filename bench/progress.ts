/** One line on a terminal that says what is going on; nothing where stderr is no terminal. */

export class ProgressLine {
  readonly #stream: NodeJS.WriteStream;
  readonly #startedAtMs = performance.now();

  constructor(stream: NodeJS.WriteStream = process.stderr) {
    this.#stream = stream;
  }

  show(text: string): void {
    if (!this.#stream.isTTY) return;
    const seconds = Math.round((performance.now() - this.#startedAtMs) / 1000);
    this.#stream.write(`\r\u001b[2K${`${seconds} s  ${text}`.slice(0, (this.#stream.columns || 80) - 1)}`);
  }

  clear(): void {
    if (this.#stream.isTTY) this.#stream.write('\r\u001b[2K');
  }
}
