/** Where messages wait in memory: ready, higher and lower priorities, suspects, scheduled. */
import { SUSPECT_LAPSES } from '../limits.js';
import { idOf } from '../message.js';
import type { Listed, PromoteReply } from '../storage.js';
import { Line } from './memory-line.js';
import type { MemoryNews } from './memory-news.js';
import { headOf } from './memory-rules.js';

export class MemoryPlaces {
  readonly #news: MemoryNews;
  readonly #ready = new Line();
  readonly #hi = new Line();
  readonly #lo = new Line();
  readonly #suspects = new Line();
  readonly #scheduled = new Line();

  constructor(news: MemoryNews) {
    this.#news = news;
  }

  /** What can be leased without running alone. */
  get leasable(): number {
    return this.#hi.size + this.#ready.size + this.#lo.size;
  }

  get suspects(): number {
    return this.#suspects.size;
  }

  get scheduled(): number {
    return this.#scheduled.size;
  }

  /** To where its head says that it can be leased. */
  place(text: string, at: 'head' | 'tail'): void {
    const head = headOf(text);
    const priority = head?.priority ?? 0;
    if (head !== undefined && head.lapses >= SUSPECT_LAPSES) this.#suspects.add(text, 0, at);
    else if (priority > 0) this.#hi.add(text, -priority, at);
    else if (priority < 0) this.#lo.add(text, -priority, at);
    else this.#ready.add(text, 0, at);
    this.#news.grew = true;
  }

  /** To the head, in the order they have here. */
  giveBack(texts: readonly string[]): void {
    for (const text of texts.toReversed()) this.place(text, 'head');
  }

  schedule(text: string, dueAt: number): void {
    const earliest = this.#scheduled.first()?.rank ?? Infinity;
    if (dueAt < earliest) this.#news.earlier = true;
    this.#scheduled.add(text, dueAt, 'tail');
  }

  promote(limit: number, now: number): PromoteReply {
    let promoted = 0;
    for (; promoted < limit; promoted++) {
      const next = this.#scheduled.first();
      if (next === undefined || next.rank > now) break;
      this.#scheduled.shift();
      this.place(next.text, 'tail');
    }
    return { now, promoted, nextDueAt: this.#scheduled.first()?.rank };
  }

  /** Takes the next one that may run beside others. */
  next(): string | undefined {
    return (this.#hi.shift() ?? this.#ready.shift() ?? this.#lo.shift())?.text;
  }

  nextSuspect(): string | undefined {
    return this.#suspects.shift()?.text;
  }

  /** When this invocation is due, where it is scheduled for later than `fromMs`. */
  dueOf(id: string, fromMs: number): number | undefined {
    for (const { rank, text } of this.#scheduled.entries()) if (rank > fromMs && idOf(text) === id) return rank;
    return undefined;
  }

  /** The message of this invocation, where it waits. */
  find(id: string): string | undefined {
    for (const line of this.#lines) for (const { text } of line.entries()) if (idOf(text) === id) return text;
    return undefined;
  }

  /** Takes exactly this message out. False where it does not wait. */
  remove(text: string): boolean {
    return this.#lines.some((line) => line.remove(text));
  }

  /** In the order of leasing. */
  listReady(limit: number): Listed[] {
    const lines = [this.#hi, this.#ready, this.#lo, this.#suspects];
    return lines.flatMap((line) => line.peek(limit).map(({ text }) => ({ text }))).slice(0, limit);
  }

  listScheduled(limit: number): Listed[] {
    return this.#scheduled.peek(limit).map(({ text, rank }) => ({ text, etaMs: rank }));
  }

  clear(): void {
    for (const line of this.#lines) line.clear();
  }

  get #lines(): Line[] {
    return [this.#hi, this.#ready, this.#lo, this.#suspects, this.#scheduled];
  }
}
