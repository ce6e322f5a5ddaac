/**
 * Which Hueys a module has, without running any: user code is loaded in a thread that ends as soon as it has told, and
 * never in this one. What the module writes while it loads goes to standard error.
 */
import { Worker } from 'node:worker_threads';
import type { ConnectionSpec } from '../runtime/connection.js';
import { ConfigurationError } from '../runtime/errors.js';
import type { ErrorInfo } from '../runtime/lifecycle.js';
import type { HueySettings } from '../runtime/worker-context.js';
import { threadArguments } from '../runtime/thread-arguments.js';
import { threadImports } from './thread-imports.js';

export interface ModuleQuestion {
  /** file: URL. */
  module: string;
  /** Which one: by the rule of the loader, where `all` is false. */
  huey: string | undefined;
  /** Every one that has tasks. */
  all: boolean;
}

export interface FoundHuey {
  queue: string;
  connection: ConnectionSpec;
  settings: HueySettings;
}

export type ModuleAnswer = { hueys: FoundHuey[] } | { error: ErrorInfo };

export interface ModuleScan {
  /** Rejects with the module's own error, or ConfigurationError; never settles after `cancel`. */
  readonly found: Promise<FoundHuey[]>;
  cancel(): Promise<void>;
}

/** `imports`: modules that the thread loads first, as node --import does. */
export function scanModule(question: ModuleQuestion, imports: readonly string[] = []): ModuleScan {
  const worker = new Worker(new URL('./module-scan-thread.js', import.meta.url), {
    workerData: question,
    stdout: true,
    ...threadArguments(threadImports(imports, question.module).flatMap((one) => ['--import', one])),
  });
  worker.stdout.pipe(process.stderr, { end: false });
  let isCanceled = false;
  const found = new Promise<FoundHuey[]>((resolve, reject) => {
    worker.once('message', (answer: ModuleAnswer) => {
      if ('hueys' in answer) resolve(answer.hueys);
      else reject(errorOf(answer.error));
    });
    worker.once('error', reject);
    worker.once('exit', (code) => {
      if (isCanceled) return;
      reject(new ConfigurationError(`the thread died before the module was loaded (exit code ${code})`, 'false-start'));
    });
  }).finally(() => worker.terminate());
  return {
    found,
    cancel: async () => {
      isCanceled = true;
      await worker.terminate();
    },
  };
}

function errorOf(info: ErrorInfo): Error {
  const error = info.name === 'ConfigurationError' ? new ConfigurationError(info.message, info.code) : new Error(info.message);
  error.name = info.name;
  if (info.stack !== undefined) error.stack = info.stack;
  return error;
}
