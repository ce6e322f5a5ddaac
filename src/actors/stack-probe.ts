/**
 * Where a thread is stuck. Node's inspector, asked from the main thread, interrupts whatever JavaScript another thread runs
 * (a loop, a regular expression, Atomics.wait) and tells its stack; native code it cannot interrupt. Duties:
 *  1. nothing is loaded or attached before the first question, and nothing stays attached after an answer;
 *  2. one question at a time, with pauses: to attach costs every thread a little, and the asked one some 20 ms;
 *  3. a thread is never left paused: it could not be ended. So it goes on in the same turn in which it told, and whoever ends
 *     a thread calls `leave` before.
 * In a thread of its own (an embedded supervisor) the inspector sees no other threads: then there is no answer.
 */
import type { Session } from 'node:inspector';
import { isMainThread } from 'node:worker_threads';

/** Longer than this nobody waits for an answer. */
const ANSWER_MS = 1000;
/** Between two questions, as a multiple of what the last one took: so they take a small part of the time, however many are stuck. */
const PAUSE_FACTOR = 3;
const FRAMES_MAX = 20;

interface Question {
  threadId: number;
  tell: (stack: string) => void;
  /** Of the thread, once it is attached. */
  attached: string | undefined;
  /** What the thread told of each of its scripts. Only those in the stack are read. */
  scripts: string[];
  askedAt: number;
  timer: NodeJS.Timeout;
}

export class StackProbe {
  #session: Session | undefined;
  #question: Question | undefined;
  #freeAt = 0;

  /** The stack comes as lines `    at name (file:line:column)`, or never. False where it cannot be asked now. */
  ask(threadId: number, tell: (stack: string) => void): boolean {
    if (!isMainThread || this.#question !== undefined || performance.now() < this.#freeAt) return false;
    const question: Question = {
      ...{ threadId, tell, attached: undefined, scripts: [], askedAt: performance.now() },
      timer: setTimeout(() => this.#end(question), ANSWER_MS),
    };
    question.timer.unref();
    this.#question = question;
    this.#open(question).catch(() => this.#end(question));
    return true;
  }

  /** The thread is about to be ended. */
  leave(threadId: number): void {
    if (this.#question?.threadId === threadId) this.#end(this.#question);
  }

  async #open(question: Question): Promise<void> {
    // A node without an inspector has no such module.
    const { Session } = await import('node:inspector');
    if (this.#question !== question) return;
    const session = new Session();
    this.#session = session;
    session.connect();
    session.on('NodeWorker.attachedToWorker', ({ params: { sessionId, workerInfo } }) => {
      if (this.#question !== question || threadIdIn(workerInfo.title) !== question.threadId) return;
      question.attached = sessionId;
      this.#send(question, 1, 'Debugger.enable');
      this.#send(question, 2, 'Debugger.pause');
    });
    session.on('NodeWorker.receivedMessageFromWorker', ({ params: { message } }) => {
      if (this.#question !== question) return;
      if (message.includes('"Debugger.scriptParsed"')) question.scripts.push(message);
      if (!message.includes('"Debugger.paused"')) return;
      const stack = stackIn(message, question.scripts);
      this.#end(question);
      if (stack !== '') question.tell(stack);
    });
    session.post('NodeWorker.enable', { waitForDebuggerOnStart: false }, (error) => {
      if (error) this.#end(question);
    });
  }

  #send({ attached: sessionId = '' }: Question, id: number, method: string): void {
    this.#session?.post('NodeWorker.sendMessageToWorker', { sessionId, message: JSON.stringify({ id, method }) }, ignore);
  }

  #end(question: Question): void {
    if (this.#question !== question) return;
    clearTimeout(question.timer);
    const session = this.#session;
    if (question.attached !== undefined) {
      // It goes on, and forgets a pause that has not begun.
      this.#send(question, 3, 'Debugger.disable');
      session?.post('NodeWorker.detach', { sessionId: question.attached }, ignore);
    }
    session?.post('NodeWorker.disable', ignore);
    session?.disconnect();
    this.#session = undefined;
    this.#question = undefined;
    const now = performance.now();
    this.#freeAt = now + (now - question.askedAt) * PAUSE_FACTOR;
  }
}

/** One for all supervisors of the process. */
export const stackProbe = new StackProbe();

interface CallFrame {
  functionName: string;
  location: { scriptId: string; lineNumber: number; columnNumber?: number };
}

function threadIdIn(title: string): number {
  return Number(/^(?:\[worker |Worker )(\d+)/.exec(title)?.[1]);
}

function stackIn(message: string, scripts: readonly string[]): string {
  const { params } = JSON.parse(message) as { params: { callFrames: CallFrame[] } };
  return params.callFrames
    .slice(0, FRAMES_MAX)
    .map(({ functionName, location: { scriptId, lineNumber, columnNumber = 0 } }) => {
      const where = `${urlOf(scriptId, scripts)}:${lineNumber + 1}:${columnNumber + 1}`;
      return functionName === '' ? `    at ${where}` : `    at ${functionName} (${where})`;
    })
    .join('\n');
}

function urlOf(scriptId: string, scripts: readonly string[]): string {
  for (const message of scripts) {
    // The id may also be that of another script, from which this one was loaded.
    if (!message.includes(`"scriptId":"${scriptId}"`)) continue;
    const { params } = JSON.parse(message) as { params: { scriptId: string; url: string } };
    if (params.scriptId === scriptId && params.url !== '') return params.url;
  }
  return '<anonymous>';
}

function ignore(): void {
  // The thread, or the session, may be gone by now.
}
