/**
 * The console of a thread that runs tasks. What its methods write goes to the supervisor, which prints it, with the task
 * that wrote it. It is posted at once and not when the thread's loop turns: a task that loops for ever shows what it
 * wrote before. `process.stdout` is left alone.
 */
import { Console } from 'node:console';
import { Writable } from 'node:stream';
import type { MessagePort } from 'node:worker_threads';
import { runningTask } from '../api/context.js';
import { costOf, OUTPUT_MAX_COST, OutputBudget } from './output-budget.js';
import type { FromThread } from './protocol.js';
import type { TaskLine } from './task-lines.js';

/** From now on, for all code of this thread. */
export function takeConsole(port: MessagePort, budget: SharedArrayBuffer): void {
  const own = makeConsole((level, text) => {
    const { name: task, id } = runningTask() ?? {};
    const line: TaskLine = { level, text, ...(task === undefined || id === undefined ? {} : { task, id }) };
    port.postMessage({ kind: 'console', line } satisfies FromThread);
  }, new OutputBudget(budget));
  // Its methods and not the object: who has kept `console`, or imports node:console, has them too. What belongs to the
  // inspector alone (profile, timeStamp) stays.
  Object.assign(console, own);
}

function makeConsole(post: (level: TaskLine['level'], text: string) => void, budget: OutputBudget): Console {
  let errorLevel: TaskLine['level'] = 'error';
  const write = (level: TaskLine['level'], text: string): void => {
    const whole = text.endsWith('\n') ? text.slice(0, -1) : text;
    const most = OUTPUT_MAX_COST - costOf('');
    const shown = whole.length <= most ? whole : `${whole.slice(0, most)}... (${whole.length - most} more characters)`;
    if (budget.take(Math.min(OUTPUT_MAX_COST, costOf(shown)))) post(level, shown);
  };
  const own = new Console({
    stdout: streamOf((text) => write('info', text)),
    stderr: streamOf((text) => write(errorLevel, text)),
    ignoreErrors: false,
  });
  // It shares a stream, and the indentation of groups, with console.error.
  const warn = own.warn.bind(own);
  own.warn = (...args: unknown[]) => {
    errorLevel = 'warn';
    try {
      warn(...args);
    } finally {
      errorLevel = 'error';
    }
  };
  return own;
}

function streamOf(write: (text: string) => void): Writable {
  return new Writable({
    decodeStrings: false,
    write(text: string, _encoding, done) {
      write(text);
      done();
    },
  });
}
