/**
 * The contract between the runtime and whatever keeps its tasks. One verb for each transition; each says whether it
 * is atomic, whether it may be repeated, and whose clock counts. The conformance suite (test/storage) runs over every
 * implementation.
 *
 * Invariants that every implementation keeps:
 *  1. A message is at every instant in exactly one place: ready, parked, scheduled, in flight (of one consumer), landing
 *     (on its way to one consumer), suspects, dead. Or it has ended and left a record.
 *  2. Only the consumer in whose in-flight set an id is can commit it. Everything else is refused and counted.
 *  3. Leases, due dates, expiries and ticks are decided by the storage's own clock.
 *  4. Of a key at most as many as its limit says are in flight. Who is over it when it would be leased is parked (and counted and listed
 *     as ready); whatever takes one of the key out of flight makes the next one ready, in the same step.
 *  5. A write whose reply was lost can be repeated without a second effect.
 */
import type { CancelVerbs } from './canceling.js';
import type { FinalState, ResultRecord } from './completion.js';
import type { LockVerbs } from './locking.js';
import type { Finding } from './finding.js';

export type { LockOwner, RateReply } from './locking.js';

/** One message to be stored. Without `delayMs` and `etaMs` it is ready at once. */
export interface EnqueueItem {
  /** A whole message (message.ts). */
  text: string;
  /** Due this long after now by the storage's clock. */
  delayMs?: number;
  /** Due at this instant by the storage's clock, ms since 1970. */
  etaMs?: number;
  /** Takes this key for its id, or gives way to who has it. The body says until when. */
  unique?: UniqueClaim;
  /** In the same step this other invocation is revoked: it ends as `revoked`, if it has not started. */
  replaces?: string;
  /** Where its id was enqueued before, so that nothing is stored: what becomes of those who wait for what would have followed it. */
  ifKnown?: IfKnown;
}

export interface IfKnown extends Pick<Effects, 'also' | 'chord'> {
  /** An id of this very call. Where it is known too, the call is a repeat whose first reply was lost, and nothing follows. */
  call?: string;
}

export interface UniqueClaim {
  key: string;
  /** Somebody has the key: this one is not stored (`existing`, `reject`: the caller tells them apart), or it takes the place (`replace`). */
  onConflict: 'existing' | 'replace' | 'reject';
  /** The key is free again after this time in any case; 0 = never. */
  ttlMs: number;
}

/** Stored together with its members. When the last has contributed, the callback is ready, once. */
export interface ChordPlan {
  id: string;
  size: number;
  /** A whole message; its body has `collect`. */
  callback: string;
}

export interface EnqueueReply {
  /** Positions of items whose id was enqueued within the last 24 hours: nothing was stored for them. */
  duplicates: number[];
  /** Items that were not stored because another invocation has their unique key. */
  conflicts: { index: number; id: string }[];
}

/** What belongs to the end of a task and applies together with it. */
export interface Effects {
  /** The next stage, a handler. */
  enqueue?: EnqueueItem[];
  /** Other invocations that end with this one: later stages that will never run. */
  also?: { id: string; record: string; ttlSeconds: number }[];
  /** A contribution to a chord, JSON text. Counted once for each index. */
  chord?: { id: string; index: number; value: string };
  /** The chord whose callback this was: its list is removed, a tombstone of a day stays. */
  endChord?: string;
  /** Frees this unique key, where it is this invocation's. */
  freeUnique?: string;
}

/** What becomes of one task in flight, other than the plain completions that travel as bytes. */
export type Transition =
  | {
      kind: 'settle';
      id: string;
      /** encodeRecord(...) of the final state; the storage knows the state by its letter. */
      record: string;
      ttlSeconds: number;
      effects?: Effects;
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
      effects?: Effects;
    }
  | {
      /** Put aside as dead: kept with its bytes, settled as dead for those who wait. */
      kind: 'bury';
      id: string;
      text: string;
      reason: string;
      record: string;
      ttlSeconds: number;
      effects?: Effects;
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
  /** For each of them the receipt of a chunk, where it is the end of that whole chunk. It makes the commit cheaper, and refuses no less. */
  receipts?: readonly (string | undefined)[];
  transitions: readonly Transition[];
  /** How many chunks, and how many tasks in each at most. 0 chunks: only commit. */
  chunks: number;
  chunkSize: number;
  /** True: one task that must run alone may come along. */
  solo: boolean;
  /** What may not start is handed to this consumer to settle, linked or not, since somebody wants to be told more of it than its end. */
  handOver?: boolean;
}

/** Tasks for one lane of a worker: `count` messages joined with SEPARATOR. */
export interface Chunk {
  text: string;
  count: number;
  /** Where the storage keeps it as a whole: see StepCall.receipts. */
  receipt?: string;
}

/** A task that was not leased, because it is canceled, revoked, expired or dead. */
export interface Dropped {
  id: string;
  name: string;
  state: Extract<FinalState, 'canceled' | 'revoked' | 'expired' | 'dead'>;
  /**
   * Absent: it has ended. Present: it is in flight of this consumer, which settles it with all that belongs to its end.
   * So for linked messages, for all where the call says `handOver`, for every one that was canceled, and for every one that
   * died alone more than DEATHS_MAX times.
   */
  text?: string;
}

export type Place = 'ready' | 'scheduled' | 'running' | 'dead';

/** A message for people to look at. */
export interface Listed {
  text: string;
  /** Of a scheduled one. */
  etaMs?: number;
  /** Of a dead one: what `retryDead` and `dropDead` take, why it was put aside, and since when. */
  id?: string;
  reason?: string;
  at?: number;
}

export interface StepReply {
  /** The storage's clock, ms since 1970. */
  now: number;
  /** What is available is spread evenly over the chunks that were asked for; only those that got something are listed. */
  chunks: Chunk[];
  /** One message that must run alone. */
  solo: string | undefined;
  /** What is ready and was not taken; perhaps also what was ended where it was ready (`endWaiting`) and nobody has come upon since. */
  left: number;
  /** How many of the call's tasks were committed; the others were not this consumer's. */
  committed: number;
  refused: number;
  dropped: Dropped[];
}

export interface BeatReply {
  now: number;
  /** In flight or landing for this consumer. */
  held: number;
  /** Landing alone: wants a step. */
  landing: number;
  /** Ids in flight for this consumer that are canceled: the push that told of them may have been lost. */
  canceled: string[];
  /** How often consumers of the queue were asked to reload, ever: the push that told of it may have been lost. */
  reloads: number;
}

/** The name that an operator gives to a consumer, so that the next one under it follows at once. */
export interface InstanceClaim {
  name: string;
  /**
   * True: whoever has the name is dead, or shall be: it is reaped at once. False: where another consumer has it by now,
   * this one is refused. So the one that was started last stays, and two that live do not reap each other in turn.
   */
  takeOver: boolean;
}

export interface RegisterReply {
  now: number;
  /** The consumer that had the name of this instance, and how many of its tasks were given back. */
  former?: { consumer: string; tasks: number };
  /** As in BeatReply: what was asked for before is not for this consumer. */
  reloads: number;
}

export interface ReapReply {
  now: number;
  consumers: string[];
  /** Tasks that were given back. */
  tasks: number;
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
  /** These were canceled while they were in flight, perhaps of another consumer. */
  onCancel?: (ids: readonly string[]) => void;
  /** Consumers were asked to reload, so often by now. May tell the same more than once. */
  onReload?: (reloads: number) => void;
  /** Somebody listens to events from now on. */
  onListener?: () => void;
  /** What consumers do, as they published it; after `listenToEvents`. `gap` = some may have been missed. */
  onEvents?: (events: readonly string[], gap: boolean) => void;
  /** The connection was lost (true), or is back (false). */
  onOutage?: (lost: boolean, error?: Error) => void;
}

/** `error` is the failure of an attempt that will be tried again. */
export type NoteKind = 'progress' | 'log' | 'error';

/** What a Huey needs of a storage: producing, results, marks. */
export interface ProducerStorage extends CancelVerbs, LockVerbs {
  /**
   * Stores messages; all of one call or none. Atomic. Repeatable: an id that was enqueued within 24 hours is not
   * stored again. Delays, relative expiries (care 'r') and due dates by the storage's clock.
   * @throws StorageUnavailable (outcomeUnknown), StorageFull, StorageRefused
   */
  enqueue(items: readonly EnqueueItem[], chords?: readonly ChordPlan[]): Promise<EnqueueReply>;
  /** The records of ended tasks, undefined for those that have not ended or whose record is gone. Reads only. */
  readResults(ids: readonly string[]): Promise<(ResultRecord | undefined)[]>;
  /** Removes the values; an end marker stays (state kept, payload GONE_PAYLOAD; one that was empty stays empty) so that a later reader learns that it was read. Repeatable. */
  removeResults(ids: readonly string[]): Promise<void>;
  /**
   * From now on `onEnded` tells of these ids, until unwatched. Resolves when it is sure that no later end is missed, with those
   * that may have ended before: whoever waits looks at them once.
   */
  watch(ids: readonly string[]): Promise<readonly string[]>;
  unwatch(ids: readonly string[]): void;
  /** Sets a mark; one by id is forgotten 30 days after now or, where it is later, after its eta. Repeatable. */
  revoke(target: MarkTarget, mark: Mark): Promise<void>;
  /** Removes the mark; true where there was one in force. */
  restore(target: MarkTarget): Promise<boolean>;
  /** Only looks. */
  readMark(target: MarkTarget): Promise<Mark | undefined>;
  counts(): Promise<Counts>;
  /** What a chord collected, JSON texts in the order of its members; undefined for those that contributed nothing. */
  readChord(id: string): Promise<(string | undefined)[]>;
  /** Frees a unique key, where it is this invocation's. Repeatable. */
  freeUnique(key: string, id: string): Promise<void>;

  /** Values by key, JSON text. `ifEmpty`: only where there is none; gives whether it was stored. */
  putKey(key: string, text: string, ifEmpty: boolean): Promise<boolean>;
  /** `take` removes it. */
  getKey(key: string, take: boolean): Promise<string | undefined>;
  deleteKey(key: string): Promise<boolean>;

  /** Messages to look at: ready in the order of leasing, scheduled by due date, dead newest first. */
  list(place: Place, limit: number): Promise<Listed[]>;
  /** Records of ended tasks, any order; end markers without a value are left out. */
  results(limit: number): Promise<{ id: string; record: ResultRecord }[]>;
  resultCount(): Promise<number>;
  /** Makes a dead message ready again, its lapses and deaths forgotten. False where there is none. */
  retryDead(id: string): Promise<boolean>;
  dropDead(id: string): Promise<boolean>;
  /** Removes everything of this queue but consumers and what they hold. */
  flush(): Promise<void>;

  /** Progress or log of a running task, kept for `ttlSeconds`. */
  setNote(id: string, kind: NoteKind, text: string, ttlSeconds: number): Promise<void>;
  readNote(id: string, kind: NoteKind): Promise<string | undefined>;

  /** Tells those who listen. Not stored. */
  publishEvents(events: readonly string[]): Promise<void>;
  /** From now on `onEvents` tells, until switched off. */
  listenToEvents(on: boolean): Promise<void>;
  /** Whether anybody listens, in any process. */
  eventsWanted(): Promise<boolean>;
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
  /** Looks at how the server, or the file, keeps what it is given. @throws StorageRefused where it is of no use at all, such as a version that is too old. */
  examine(): Promise<Finding[]>;
  /**
   * Enters this life of a consumer, with a lease from now. With an instance it takes that name too: what the consumer
   * held that had it is given back, charged as by `reap`, in the same step. The name is free again when its consumer
   * leaves or is reaped. Atomic, repeatable.
   * @throws InstanceTaken
   */
  register(consumer: string, leaseMs: number, instance?: InstanceClaim): Promise<RegisterReply>;
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
  /**
   * Asks all consumers of the queue to load their modules anew: counts it and tells them. Gives how many consumers there
   * are. Atomic; repeated, they may reload once more.
   */
  requestReload(): Promise<number>;
  /** Ids in flight, for reconciliation. */
  heldIds(consumer: string): Promise<string[]>;
  /** Gives back these ids, where they are in flight of this consumer: uncharged, at the head. Atomic, repeatable. Gives their number. */
  release(consumer: string, ids: readonly string[]): Promise<number>;
  /** Gives back everything in flight and landing, uncharged, and forgets the consumer. Atomic, repeatable. */
  unregister(consumer: string): Promise<void>;
  /**
   * Gives back what consumers held whose lease has ended, each task charged with a lapse, one that ran alone (it had
   * SUSPECT_LAPSES or more) with a death too, and forgets them. It ends nothing: who leases one that died too often does. A silence
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
}
