/**
 * What a command says in small numbers, as a storage takes it. Remembers every id that was meant, to be looked at.
 */
import { encodeRecord } from '../../../src/runtime/completion.js';
import { decodeHead, withHead, type Head } from '../../../src/runtime/message.js';
import type { EnqueueItem, Transition } from '../../../src/runtime/storage.js';
import { message } from '../world.js';
import { IDS, LIMITS, type EndSpec, type ItemSpec } from './commands.js';

export const HOUR_MS = 3_600_000;
export const SOON_MS = 15;
const FAR_MS = 2 * HOUR_MS;
const EXPIRY_MS = HOUR_MS / 2;

export class Meaning {
  readonly ids = new Set<string>();
  /** After a flush ids are not known any more: what is stored then has others, or one could be in two places. */
  epoch = 0;

  id(n: number): string {
    const id = `e${this.epoch}t${n % IDS}`;
    this.ids.add(id);
    return id;
  }

  item(spec: ItemSpec): EnqueueItem {
    const id = this.id(spec.id);
    const head: Partial<Head> = {
      name: `job${spec.task ?? 0}`,
      priority: spec.priority ?? 0,
      lapses: spec.lapses ?? 0,
      deaths: spec.deaths ?? 0,
      ...(spec.linked === true || spec.unique !== undefined ? { linked: true } : {}),
      ...(spec.key === undefined ? {} : { slot: { key: keyOf(spec.key), limit: LIMITS[spec.key] ?? 1 } }),
      ...(spec.expiry === 'past' ? { expiresAt: 1 } : {}),
      ...(spec.expiry === 'relative' ? { expiresAt: EXPIRY_MS, expiryIsRelative: true } : {}),
    };
    return {
      text: message(id, head),
      ...(spec.delay === undefined ? {} : { delayMs: spec.delay === 'soon' ? SOON_MS : FAR_MS }),
      ...(spec.unique === undefined ? {} : { unique: { ...spec.unique, key: `u${spec.unique.key}`, ttlMs: 0 } }),
      ...(spec.replaces === undefined ? {} : { replaces: this.id(spec.replaces) }),
      ...(spec.ifKnown === undefined ? {} : { ifKnown: this.#ifKnown(spec.ifKnown) }),
    };
  }

  #ifKnown({ also, call }: NonNullable<ItemSpec['ifKnown']>): NonNullable<EnqueueItem['ifKnown']> {
    return { also: [this.#also(also)], ...(call === undefined ? {} : { call: `e${this.epoch}call${call}` }) };
  }

  /** A later stage: nobody enqueues it. */
  #also(n: number): { id: string; record: string; ttlSeconds: number } {
    const id = `e${this.epoch}stage${n}`;
    this.ids.add(id);
    return { id, record: encodeRecord('canceled', '"why"'), ttlSeconds: 100 };
  }

  /** `kept`: its message, where it is in flight. */
  transition(id: string, kept: string | undefined, { how, next, also }: EndSpec): Transition {
    const head = decodeHead(kept ?? message(id));
    const text = withHead(kept ?? message(id), { ...head, attempts: head.attempts + 1 });
    const effects = {
      ...(next === undefined ? {} : { enqueue: [this.item(next)] }),
      ...(also === undefined ? {} : { also: [this.#also(also)] }),
    };
    switch (how) {
      case 'done':
      case 'failed':
        return { kind: 'settle', id, record: encodeRecord('failed', '"no"'), ttlSeconds: 100, effects: { ...effects, freeUnique: 'u0' } };
      case 'bury':
        return { kind: 'bury', id, text, reason: 'often', record: encodeRecord('dead', '{}'), ttlSeconds: 100, effects };
      case 'head':
      case 'tail':
      case 'later':
        return { kind: 'requeue', id, text, delayMs: how === 'later' ? SOON_MS : 0, at: how === 'head' ? 'head' : 'tail', effects };
    }
  }
}

export function keyOf(n: number): string {
  return `k${n}`;
}
