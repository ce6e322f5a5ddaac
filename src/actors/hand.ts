/** Messages in flight that no lane holds: taken back, or come for a lane that was gone. Nothing stays here for long. */

import { idOf } from '../runtime/message.js';

interface Held {
  text: string;
  since: number;
}

export class Hand {
  #held: Held[] = [];
  #timer: NodeJS.Timeout | undefined;
  readonly #holdMs: number;
  readonly #onOld: () => void;

  /** `onOld` is called when something has been here for `holdMs`. */
  constructor(holdMs: number, onOld: () => void) {
    this.#holdMs = holdMs;
    this.#onOld = onOld;
  }

  get size(): number {
    return this.#held.length;
  }

  get texts(): string[] {
    return this.#held.map(({ text }) => text);
  }

  put(texts: readonly string[]): void {
    if (texts.length === 0) return;
    const since = performance.now();
    for (const text of texts) this.#held.push({ text, since });
    this.#watch();
  }

  /** The first ones. */
  draw(count: number): string[] {
    return this.#held.splice(0, count).map(({ text }) => text);
  }

  /** The one of this id; undefined where it is not here. */
  remove(id: string): string | undefined {
    const at = this.#held.findIndex(({ text }) => idOf(text) === id);
    return at < 0 ? undefined : this.#held.splice(at, 1)[0]?.text;
  }

  /** Those that have been here for long enough, or all. */
  drawOld(all = false): string[] {
    const limit = performance.now() - (all ? 0 : this.#holdMs - 1);
    const old = this.#held.filter(({ since }) => since <= limit);
    this.#held = this.#held.filter(({ since }) => since > limit);
    this.#watch();
    return old.map(({ text }) => text);
  }

  clear(): void {
    clearTimeout(this.#timer);
    this.#held = [];
  }

  #watch(): void {
    if (this.#held.length === 0) return;
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#onOld();
    }, this.#holdMs);
  }
}
