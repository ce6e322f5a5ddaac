/** Consumers and producers of a fault: real processes of the command and of producer.ts, with what they said. */
import type { Exit, TestChild } from '../../support/child.js';

export interface LogLine {
  level: string;
  message: string;
  [field: string]: unknown;
}

export class ConsumerProcess {
  readonly pid: number;
  readonly exited: Promise<Exit>;
  /** The id under which it registered first; undefined where its start was not awaited. */
  readonly consumer: string | undefined;
  readonly #child: TestChild;

  constructor(child: TestChild, consumer?: string) {
    this.#child = child;
    this.pid = child.pid;
    this.exited = child.exited;
    this.consumer = consumer;
  }

  /** Lines of its log whose message matches. */
  logged(pattern: RegExp = /^/): LogLine[] {
    return logLines(this.#child.stdout()).filter(({ message }) => pattern.test(message));
  }

  output(): string {
    return this.#child.output();
  }

  /** Resolves when the output matches; rejects where the process ends before. */
  waitFor(pattern: RegExp): Promise<RegExpExecArray> {
    return this.#child.waitFor(pattern);
  }

  /** Does nothing once it has ended. */
  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** SIGKILL, and its end. */
  async kill(): Promise<void> {
    await this.#child.stop();
  }

  /** SIGTERM, and its end. */
  stop(): Promise<Exit> {
    this.#child.kill('SIGTERM');
    return this.exited;
  }
}

export class ProducerProcess {
  readonly exited: Promise<Exit>;
  readonly #child: TestChild;

  constructor(child: TestChild) {
    this.#child = child;
    this.exited = child.exited;
  }

  /** Ids whose call had begun. */
  called(): string[] {
    return this.#ids('call');
  }

  /** Ids whose call had resolved. */
  stored(): string[] {
    return this.#ids('stored');
  }

  waitFor(pattern: RegExp): Promise<RegExpExecArray> {
    return this.#child.waitFor(pattern);
  }

  output(): string {
    return this.#child.output();
  }

  async kill(): Promise<void> {
    await this.#child.stop();
  }

  #ids(word: string): string[] {
    return this.#child
      .stdout()
      .split('\n')
      .slice(0, -1)
      .filter((line) => line.startsWith(`${word} `))
      .map((line) => line.slice(word.length + 1));
  }
}

function logLines(text: string): LogLine[] {
  return text
    .split('\n')
    .slice(0, -1)
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as LogLine);
}
