/** What a dispatcher is told at its start, and what it tells. */
import type { Decision, Outcome } from '../runtime/lifecycle.js';
import type { Message } from '../runtime/message.js';
import type { PayloadCodec } from '../runtime/payload-codec.js';
import type { RunFigures } from '../runtime/run-accounts.js';
import type { SignalName } from '../runtime/signals.js';
import type { Dropped } from '../runtime/storage.js';
import type { Manifest, PendingSignal } from './protocol.js';

export interface DispatcherEvents {
  /** What became of a task that did not simply complete. `ran`: what it took, where the chunk is observed or its thread is gone. */
  onDecision(message: Message | undefined, decision: Decision, outcome: Outcome, ran?: RunFigures): void;
  onDropped(dropped: readonly Dropped[]): void;
  /** Commits that were refused: the tasks were not this consumer's any more. */
  onRefused(count: number): void;
  /** These commits counted: whoever handles their signals may be told. */
  onSignals(list: PendingSignal[]): void;
  /** A call ended for good: the consumer was reaped. */
  onReaped(): void;
  onFault(error: Error): void;
}

export interface DispatcherOptions {
  resultTtlMs: number;
  graceMs: (task: string) => number | undefined;
  /** Names of tasks that have a thread for themselves. */
  exclusive: ReadonlySet<string>;
  /** Runs at once in this consumer, by name; of tasks that have such a limit. */
  limits: ReadonlyMap<string, number>;
  /** Whether anybody wants to know of each task that starts or completes. */
  observe: () => boolean;
  /** Signals that the module has handlers for. */
  signals: ReadonlySet<SignalName>;
  intermediateErrors: boolean;
  codec: PayloadCodec;
}

/** What the module declares, as the dispatcher wants to know it. */
export function dispatcherOptions(
  { settings, tasks, signals }: Manifest,
  { codec, observe }: Pick<DispatcherOptions, 'codec' | 'observe'>,
): DispatcherOptions {
  const byName = new Map(tasks.map((task) => [task.name, task.settings]));
  return {
    resultTtlMs: settings.resultTtlMs,
    graceMs: (name) => byName.get(name)?.graceMs,
    exclusive: new Set(tasks.flatMap((task) => (task.settings.exclusive === true ? [task.name] : []))),
    limits: new Map(tasks.flatMap(({ name, settings: { concurrency: most } }) => (most === undefined ? [] : [[name, most]]))),
    signals: new Set(signals),
    intermediateErrors: settings.storeIntermediateErrors === true,
    observe,
    codec,
  };
}
