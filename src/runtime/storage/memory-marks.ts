/**
 * Marks that keep tasks from starting, on one invocation by its id or on every invocation of a task by its name; and those
 * of invocations that are canceled.
 */
import type { Head } from '../message.js';
import { ID_MARK_LIFE_MS } from '../limits.js';
import type { Mark, MarkTarget } from '../storage.js';
import { ExpiringMap } from './memory-expiring.js';

export class MemoryMarks {
  readonly #byId = new ExpiringMap<Mark>();
  readonly #byTask = new ExpiringMap<Mark>();
  readonly #canceled = new ExpiringMap<true>();

  /** @param dueAt of the invocation, where it is scheduled far ahead. */
  set(target: MarkTarget, mark: Mark, now: number, dueAt = now): void {
    const untilMs = mark.untilMs === 0 ? Infinity : mark.untilMs;
    const copy = { once: mark.once, untilMs: mark.untilMs };
    if ('id' in target) this.#byId.set(target.id, copy, Math.min(untilMs, Math.max(now, dueAt) + ID_MARK_LIFE_MS), now);
    else this.#byTask.set(target.task, copy, untilMs, now);
  }

  clear(): void {
    this.#byId.clear();
    this.#byTask.clear();
    this.#canceled.clear();
  }

  /** @param dueAt of the invocation, where it is scheduled far ahead. */
  cancel(id: string, now: number, dueAt = now): void {
    this.#canceled.set(id, true, Math.max(now, dueAt) + ID_MARK_LIFE_MS, now);
  }

  isCanceled(id: string, now: number): boolean {
    return this.#canceled.get(id, now) !== undefined;
  }

  withdrawCancel(id: string): void {
    this.#canceled.delete(id);
  }

  /** The invocation has ended. */
  forget(id: string): void {
    this.#byId.delete(id);
    this.#canceled.delete(id);
  }

  read(target: MarkTarget, now: number): Mark | undefined {
    const mark = 'id' in target ? this.#byId.get(target.id, now) : this.#byTask.get(target.task, now);
    return mark === undefined ? undefined : { ...mark };
  }

  remove(target: MarkTarget, now: number): boolean {
    const inForce = this.read(target, now) !== undefined;
    if ('id' in target) this.#byId.delete(target.id);
    else this.#byTask.delete(target.task);
    return inForce;
  }

  /** Whether this invocation is kept from starting, by its own mark or by its task's; uses up a mark that holds once. */
  skips(head: Head, now: number): boolean {
    for (const target of [{ id: head.id }, { task: head.name }]) {
      const mark = this.read(target, now);
      if (mark === undefined) continue;
      if (mark.once) this.remove(target, now);
      return true;
    }
    return false;
  }
}
