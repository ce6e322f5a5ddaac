/**
 * The contract between the runtime and whatever keeps its tasks. One verb for each transition; each says whether it
 * is atomic, whether it may be repeated, and whose clock counts. The conformance suite (test/storage) runs over every
 * implementation.
 *
 * Invariants that every implementation keeps:
 *  1. A message is at every instant in exactly one place: ready, scheduled, in flight (of one consumer), landing
 *     (on its way to one consumer), suspects, dead. Or it has ended and left a record.
 *  2. Only the consumer in whose in-flight set an id is can commit it. Everything else is refused and counted.
 *  3. Leases, due dates, expiries and ticks are decided by the storage's own clock.
 *  4. A write whose reply was lost can be repeated without a second effect.
 */
import type { FinalState, ResultRecord } from './completion.js';

/** One message to be stored. Without `delayMs` and `etaMs` it is ready at once. */
export interface EnqueueItem {
  /** A whole message (message.ts). */
  text: string;
  /** Due this long after now by the storage's clock. */
  delayMs?: number;
  /** Due at this instant by the storage's clock, ms since 1970. */
  etaMs?: number;
}

export interface EnqueueReply {
  /** Positions of items whose id was enqueued within the last 24 hours: nothing was stored for them. */
  duplicates: number[];
}

/** What becomes of one task in flight, other than the plain completions that travel as bytes. */
export type Transition =
  | {
      kind: 'settle';
      id: string;
      /** encodeRecord(...) of the final state; the storage knows the state by its letter. */
      record: string;
      ttlSeconds: number;
      /** Stored in the same atomic step: the next stage, a handler, a callback. */
      enqueue?: EnqueueItem[];
    }
  | {
      /** Back to where it can be leased: a retry (at the tail), or given back (at the head). */
      kind: 'requeue';
      id: string;
      /** The message, with its new head. */
      text: string;
      /** 0: ready at once. By the storage's clock. */
      delayMs: number;
      at: 'head' | 'tail';
    }
  | {
      /** Put aside as dead: kept with its bytes, settled as dead for those who wait. */
      kind: 'bury';
      id: string;
      text: string;
      reason: string;
      record: string;
      ttlSeconds: number;
    };

/** One call of a consumer: commit what ended, take what is next. */
export interface StepCall {
  consumer: string;
  /**
   * Lost replies: calls of one lane are numbered from 1 and never overlap. The storage keeps the last reply of each
   * lane; a call with the same number gets that reply again and has no second effect, one with a smaller number
   * is refused.
   */
  lane: number;
  seq: number;
  /** Plain completions, see completion.ts. */
  completions: readonly Uint8Array[];
  transitions: readonly Transition[];
  /** How many chunks, and how many tasks in each at most. 0 chunks: only commit. */
  chunks: number;
  chunkSize: number;
  /** True: one task that must run alone may come along. */
  solo: boolean;
}

/** Tasks for one lane of a worker: `count` messages joined with SEPARATOR. */
export interface Chunk {
  text: string;
  count: number;
}

/** A task that ended as it was about to be leased. */
export interface Dropped {
  id: string;
  name: string;
  state: Extract<FinalState, 'revoked' | 'expired'> | 'dead';
}

export interface StepReply {
  /** The storage's clock, ms since 1970. */
  now: number;
  /** What is available is spread evenly over the chunks that were asked for; only those that got something are listed. */
  chunks: Chunk[];
  /** One message that must run alone. */
  solo: string | undefined;
  /** What is ready and was not taken. */
  left: number;
  /** How many of the call's tasks were committed; the others were not this consumer's. */
  committed: number;
  refused: number;
  dropped: Dropped[];
  /** What is in flight or landing for this consumer now. */
  held: number;
}

export interface BeatReply {
  now: number;
  /** In flight or landing for this consumer. */
  held: number;
  /** Landing alone: wants a step. */
  landing: number;
}

export interface ReapReply {
  now: number;
  consumers: string[];
  /** Tasks that were given back. */
  tasks: number;
  /** Tasks that were put aside because they took down process after process, alone. */
  dead: number;
}

export interface PromoteReply {
  now: number;
  promoted: number;
  /** When the earliest one that is still scheduled is due, undefined where there is none. */
  nextDueAt: number | undefined;
}

export interface TickCall {
  task: string;
  /** The minute, ms since 1970. */
  minuteMs: number;
  text: string;
}

/** A mark that keeps tasks from starting. */
export interface Mark {
  /** Removed by the first check that skips a task. */
  once: boolean;
  /** Ends at this instant by the storage's clock; 0 = never. */
  untilMs: number;
}

/** What a mark is put on: one invocation by its id, or every invocation of a task by its name. */
export type MarkTarget = { id: string } | { task: string };

export interface Counts {
  ready: number;
  scheduled: number;
  running: number;
  dead: number;
  consumers: number;
}

/** What a storage tells without being asked. Hints only: whoever waits looks again by itself from time to time. */
export interface StorageEvents {
  /** These ids have ended. The record comes along where it is small. */
  onEnded?: (ended: readonly { id: string; record?: ResultRecord }[]) => void;
  /** Something was scheduled that is due earlier than what was known. */
  onScheduled?: () => void;
  /** The connection was lost (true), or is back (false). */
  onOutage?: (lost: boolean, error?: Error) => void;
}

/** What a Huey needs of a storage: producing, results, marks. */
export interface ProducerStorage {
  /**
   * Stores messages; all of one call or none. Atomic. Repeatable: an id that was enqueued within 24 hours is not
   * stored again. Delays, relative expiries (care 'r') and due dates by the storage's clock.
   * @throws StorageUnavailable (outcomeUnknown), StorageFull, StorageRefused
   */
  enqueue(items: readonly EnqueueItem[]): Promise<EnqueueReply>;
  /** The records of ended tasks, undefined for those that have not ended or whose record is gone. Reads only. */
  readResults(ids: readonly string[]): Promise<(ResultRecord | undefined)[]>;
  /** Removes the values; an end marker stays (state kept, payload GONE_PAYLOAD; one that was empty stays empty) so that a later reader learns that it was read. Repeatable. */
  removeResults(ids: readonly string[]): Promise<void>;
  /** From now on `onEnded` tells of these ids, until unwatched. Resolves when it is sure that no later end is missed. */
  watch(ids: readonly string[]): Promise<void>;
  unwatch(ids: readonly string[]): void;
  /** Sets a mark; one by id ends by itself 30 days from now. Repeatable. */
  revoke(target: MarkTarget, mark: Mark): Promise<void>;
  /** Removes the mark; true where there was one in force. */
  restore(target: MarkTarget): Promise<boolean>;
  /** Only looks. */
  readMark(target: MarkTarget): Promise<Mark | undefined>;
  counts(): Promise<Counts>;
  /** One listener set per storage; replaces the one before. Who produces uses `onEnded` and `onOutage` alone. */
  listen(events: StorageEvents): void;
}

/** Everything; only a supervisor uses the rest. */
export interface Storage extends ProducerStorage {
  readonly kind: 'redis' | 'sqlite' | 'memory';
  /** One line for people, without passwords. */
  readonly address: string;
  /** Connects. Rejects with StorageRefused where it makes no sense to try again. Other calls connect by themselves. */
  open(): Promise<void>;
  close(): Promise<void>;
  /** Enters this life of a consumer, with a lease from now. Repeatable. */
  register(consumer: string, leaseMs: number): Promise<{ now: number }>;
  /**
   * Commits and leases. Atomic: completions and transitions of tasks in flight of this consumer apply with all that
   * belongs to them (record, wake-up of who waits, what is enqueued next); those of others are refused and counted.
   * Then takes from landing, suspects (if solo), higher priorities, ready, lower priorities, at most a fair share of
   * what is there; drops what is revoked or expired. Repeatable through lane and seq.
   * @throws ConsumerReaped, StorageUnavailable
   */
  step(call: StepCall): Promise<StepReply>;
  /**
   * As `step`, but where nothing is ready it first waits until something is, at most `waitMs`. Nothing is lost where
   * the process dies while it waits. One wait at a time. `interrupt` ends it early (it resolves with what there is).
   */
  waitAndStep(call: StepCall, waitMs: number): Promise<StepReply>;
  interrupt(): void;
  /** Renews the lease. Repeatable. @throws ConsumerReaped */
  beat(consumer: string, leaseMs: number): Promise<BeatReply>;
  /** Ids in flight, for reconciliation. */
  heldIds(consumer: string): Promise<string[]>;
  /** Gives back these ids, where they are in flight of this consumer: uncharged, at the head. Atomic, repeatable. Gives their number. */
  release(consumer: string, ids: readonly string[]): Promise<number>;
  /** Gives back everything in flight and landing, uncharged, and forgets the consumer. Atomic, repeatable. */
  unregister(consumer: string): Promise<void>;
  /**
   * Gives back what consumers held whose lease has ended, each task charged with a lapse, and forgets them. A silence
   * that everybody shared is nobody's death: where nobody's heartbeat was recorded for more than half a lease, or the
   * clock stepped back, everybody gets one more lease from then on. Atomic, repeatable. The storage's clock.
   */
  reap(leaseMs: number): Promise<ReapReply>;
  /** Moves due tasks to ready, at most `limit`. Atomic, repeatable. The storage's clock. */
  promote(limit: number): Promise<PromoteReply>;
  /**
   * Enqueues the tick of a periodic task unless this minute or a later one is recorded, or the minute has not come
   * yet by the storage's clock. Atomic, repeatable.
   */
  tick(call: TickCall): Promise<boolean>;
  /** The newest minute recorded of each of these tasks; undefined where there is none. */
  lastTicks(tasks: readonly string[]): Promise<(number | undefined)[]>;
  /** Records a minute as the newest seen without running anything (a task that is new here). Keeps a later one. */
  skipTicks(tasks: readonly string[], minuteMs: number): Promise<void>;
  /** Messages that were put aside, newest first. */
  dead(limit: number): Promise<{ id: string; text: string; reason: string; at: number }[]>;
}
