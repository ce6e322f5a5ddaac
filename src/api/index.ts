/** The package's entry: what an application that declares and calls tasks needs, and nothing that loads a driver. */
export { createHuey } from './create-huey.js';
export { MemoryHuey, type MemoryHueyOptions } from './memory-huey.js';
export { RedisHuey, type RedisHueyOptions } from './redis-huey.js';
export { SqliteHuey, type SqliteHueyOptions } from './sqlite-huey.js';
export type { Huey, ResultsOf } from './huey.js';
export type { HueyOptions } from './huey-options.js';
export type { ListOptions, Stats } from './inspection.js';
export type { DeadMessage, PendingMessage } from './listed-message.js';

export { crontab, daily, hourly, type Crontab, type CrontabFields, type CrontabZone } from '../runtime/crontab.js';
export { tuple, type Tuple } from '../runtime/tuple.js';
export type { DateInput, DateTimeLike, DurationInput, DurationLike } from '../runtime/clock.js';

export type { BoundTask, MapItem, Task } from './task.js';
export type { CallOptions, PeriodicTaskOptions, ScheduleOptions, TaskOptions } from './task-options.js';
export type { BlockingGetOptions, GetOptions, RescheduleOptions, Result, Stored } from './result.js';
export type { RevokeOptions } from './marks.js';
export { chord, type Chord, type Member, type MemberValue, type MemberValues } from './chord.js';
export { group, type Group } from './group.js';
export type { Pipeline } from './pipeline.js';
export type { Signature } from './signature.js';
export type { ChordResult } from './chord-result.js';
export type { AsCompletedOptions, ResultGroup } from './result-group.js';
export type { UniqueOptions } from './unique.js';
export type { Serializer } from '../runtime/payload-codec.js';
export { currentTask, type CurrentTask } from './context.js';
export type { ContextManager, ContextTaskOptions } from './context-task.js';
export type { PostExecuteHook, PreExecuteHook, SignalHandler, ThreadHook } from './hooks.js';
export type { TaskAccounts } from '../runtime/run-accounts.js';
export type { AccountedTask, SignalName, SignalTask } from '../runtime/signals.js';
export type { HeldLock, Lock } from './lock.js';
export type { CountedCall, RateLimit, RateLimitOptions } from './rate-limit.js';
export type { EventStatus, HueyEvent } from './event.js';
export type { EventsOptions, EventStream } from './events.js';

export {
  CancelExecution,
  ConfigurationError,
  EnqueueFailed,
  HueyException,
  LockUnavailable,
  MalformedMessage,
  PayloadError,
  RateLimitExceeded,
  RateLimitReached,
  ResultGone,
  ResultsDisabled,
  ResultTimeout,
  RetryTask,
  StorageFull,
  StorageRefused,
  StorageUnavailable,
  TaskCanceled,
  TaskDead,
  TaskException,
  TaskExpired,
  TaskLocked,
  TaskRevoked,
  TaskTimeout,
  UniqueConflict,
  type TaskErrorMetadata,
} from '../runtime/errors.js';
