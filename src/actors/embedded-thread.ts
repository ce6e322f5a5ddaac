/** The entry of the thread that an embedded supervisor runs in. */
import { workerData, type MessagePort } from 'node:worker_threads';
import { exposeActor } from '../runtime/actor-ref.js';
import type { Health } from './health.js';
import { silentLogger, type LogFields, type Logger, type LogLevel } from './log.js';
import { Supervisor } from './supervisor.js';
import type { RunSummary, SupervisorEvents } from './supervisor-events.js';
import type { SupervisorOptions } from './supervisor-options.js';
import { costOf, OUTPUT_MAX_COST } from './output-budget.js';
import type { TaskLine } from './task-lines.js';

export interface EmbeddedData {
  options: Omit<SupervisorOptions, 'logger' | 'output'>;
  /** Answers the handle. */
  inbox: MessagePort;
  /** Log lines, events and what tasks wrote, for the host; it answers with what it has written. */
  outbox: MessagePort;
  /** Names of events that the host listens to. */
  wanted: string[];
}

export interface EmbeddedMethods {
  start(): Promise<void>;
  stop(grace: number): Promise<void>;
  reload(): Promise<RunSummary>;
  want(names: string[]): void;
  health(): Promise<Health>;
}

type EventName = keyof SupervisorEvents;

export type FromEmbedded =
  | { kind: 'line'; line: TaskLine }
  | { kind: 'log'; level: LogLevel; message: string; fields: LogFields | undefined }
  | { kind: 'event'; name: 'fault'; message: string }
  | { kind: 'event'; name: Exclude<EventName, 'fault'>; event: unknown };

const { options, inbox, outbox, wanted } = workerData as EmbeddedData;
const supervisor = new Supervisor({ ...options, logger: remoteLogger(), output: remoteOutput() });
const listeners = new Map<string, (event: unknown) => void>();

supervisor.on('fault', ({ message }) => post({ kind: 'event', name: 'fault', message }));
// The handle waits for it, so that whoever awaited the start has been told.
supervisor.on('ready', (event) => post({ kind: 'event', name: 'ready', event }));
want(wanted);
exposeActor(inbox, {
  start: () => supervisor.start(),
  stop: (grace) => supervisor.stop({ grace }),
  reload: () => supervisor.reload(),
  want,
  health: () => supervisor.health(),
} satisfies EmbeddedMethods);

function want(names: string[]): void {
  const own = supervisor as unknown as NodeJS.EventEmitter;
  for (const name of names) {
    if (name === 'fault' || name === 'ready' || name === 'newListener' || name === 'removeListener' || listeners.has(name)) continue;
    const listener = (event: unknown): void => post({ kind: 'event', name: name as Exclude<EventName, 'fault'>, event });
    listeners.set(name, listener);
    own.on(name, listener);
  }
  for (const [name, listener] of listeners) {
    if (names.includes(name)) continue;
    own.off(name, listener);
    listeners.delete(name);
  }
}

/** Debug lines stay here: they would cost a message for every task. */
function remoteLogger(): Logger {
  const at = (level: LogLevel) => (message: string, fields?: LogFields) => post({ kind: 'log', level, message, fields });
  return { ...silentLogger, info: at('info'), warn: at('warn'), error: at('error') };
}

/** A host that blocks its loop writes nothing meanwhile: then what it has not taken is not to grow. */
function remoteOutput(): (line: TaskLine) => void | Promise<void> {
  let unwritten = 0;
  let caughtUp: Promise<void> | undefined;
  let wake: () => void = () => undefined;
  outbox.on('message', (cost: number) => {
    unwritten -= cost;
    if (unwritten >= OUTPUT_MAX_COST / 2) return;
    caughtUp = undefined;
    wake();
  });
  return (line) => {
    post({ kind: 'line', line });
    unwritten += costOf(line.text);
    if (unwritten < OUTPUT_MAX_COST) return;
    return (caughtUp ??= new Promise((resolve) => {
      wake = resolve;
    }));
  };
}

function post(message: FromEmbedded): void {
  outbox.postMessage(message);
}
