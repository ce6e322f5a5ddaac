/**
 * How a consumer enters a queue: it looks at the server, tells what an operator should know of it, and registers. As
 * long as the storage is away, again and again.
 */
import { InstanceTaken, StorageRefused } from '../runtime/errors.js';
import type { Finding } from '../runtime/finding.js';
import type { RegisterReply, Storage } from '../runtime/storage.js';
import type { Logger } from './log.js';

const RETRY_MS = 500;

export interface EntryOptions {
  consumer: string;
  leaseMs: number;
  instance: string | undefined;
  /** The first life looks at the server, and takes over the name of its instance; a later one gives way to who has it. */
  isFirst: boolean;
  /** Refuse a server that does not keep the promises, or that does not say whether it does. */
  strict: boolean;
  log: Logger;
  isEnding(): boolean;
  onAway(error: Error): void;
}

/** undefined: it is to end. @throws StorageRefused, InstanceTaken */
export async function enterQueue(storage: Storage, options: EntryOptions): Promise<RegisterReply | undefined> {
  const { consumer, leaseMs, instance, isFirst, strict, log } = options;
  let isExamined = !isFirst;
  while (!options.isEnding()) {
    try {
      if (!isExamined) judge(await storage.examine(), strict, log);
      isExamined = true;
      const claim = instance === undefined ? undefined : { name: instance, takeOver: isFirst };
      const reply = await storage.register(consumer, leaseMs, claim);
      if (reply.former !== undefined) {
        log.warn('this consumer follows one of the same instance that had not stopped; its tasks run again', {
          instance,
          tasks: reply.former.tasks,
        });
      }
      return reply;
    } catch (error) {
      if (error instanceof StorageRefused || error instanceof InstanceTaken) throw error;
      if (options.isEnding()) return undefined;
      options.onAway(error as Error);
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }
  return undefined;
}

/** Takes these locks from whoever holds them. */
export async function flushLocks(storage: Storage, names: 'all' | readonly string[], log: Logger): Promise<void> {
  if (names.length === 0) return;
  const held = await storage.flushLocks(names === 'all' ? undefined : names);
  log.info('flushed locks', { held: held.length === 0 ? 'none' : held.join(', ') });
}

/** @throws StorageRefused */
function judge(findings: readonly Finding[], strict: boolean, log: Logger): void {
  const bad = findings.filter(({ kind }) => kind !== 'note');
  if (strict && bad.length > 0) {
    throw new StorageRefused(`--strict refuses where the queue is kept: ${bad.map(({ text }) => text).join('; ')}`);
  }
  for (const { kind, text } of findings) log[kind === 'note' ? 'info' : 'warn'](text);
}
