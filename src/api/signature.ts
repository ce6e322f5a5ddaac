/** A call that has not been made yet: a task, its arguments and options. Made by `task.s(...)`; immutable. */
import type { Client } from './client.js';
import type { Envelope } from './envelope.js';
import type { OutboxItem } from './outbox.js';

/** What a signature needs of its task. */
export interface CallPlan {
  readonly client: Client;
  readonly taskName: string;
  readonly envelope: Envelope;
  /** Undefined: a new one each time it is enqueued. */
  readonly id: string | undefined;
  readonly when: { readonly delayMs?: number; readonly etaMs?: number };
}

export class Signature<R = unknown> {
  readonly args: readonly unknown[];
  readonly #plan: CallPlan;
  /** For the type checker alone: what the result is. */
  declare readonly resultType?: R;

  constructor(plan: CallPlan, args: readonly unknown[]) {
    this.#plan = plan;
    this.args = Object.freeze([...args]);
  }

  get taskName(): string {
    return this.#plan.taskName;
  }

  /** How it is to be enqueued; for the Huey that it belongs to. */
  static planOf(signature: Signature): CallPlan {
    return signature.#plan;
  }
}

/** The message of one call. @throws PayloadError */
export function itemOf(plan: CallPlan, args: readonly unknown[]): OutboxItem {
  const id = plan.id ?? plan.client.nextId();
  return { id, text: plan.envelope.text(id, args, Date.now()), ...plan.when };
}
