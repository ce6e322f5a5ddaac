/** What the supervisor makes of what its threads tell: the dispatcher's work, news, lines of the log. */
import type { ErrorInfo } from '../runtime/lifecycle.js';
import type { CrewEvents } from './crew.js';
import type { Dispatcher } from './dispatcher.js';
import type { Logger } from './log.js';
import type { Manifest } from './protocol.js';
import type { TaskNews } from './task-news.js';
import { textOf, type TaskReporter } from './task-reporter.js';
import { threadError } from './thread-error.js';

export interface CrewListeners {
  onManifest: (manifest: Manifest) => void;
  onUnloadable: (error: ErrorInfo) => void;
  /** undefined between two lives. */
  dispatcher: () => Dispatcher | undefined;
  news: () => TaskNews | undefined;
  report: TaskReporter;
  log: Logger;
}

export function crewEvents({ onManifest, onUnloadable, dispatcher, news, report, log }: CrewListeners): CrewEvents {
  return {
    onManifest,
    onUnloadable,
    onFalseStart: (error: ErrorInfo | undefined) => {
      if (error === undefined) return log.info('the module loads again, threads are replaced');
      const text = threadError(error).message.split('\n', 1)[0];
      log.error('a worker thread cannot be replaced, the module does not load; the others go on with the code from before', {
        error: text,
      });
    },
    onPlace: (place) => dispatcher()?.add(place),
    onGone: (place, reason, expected) => {
      if (!expected) log.warn('a worker thread died; its tasks run again', { place: place.number, reason });
      dispatcher()?.placeGone(place, reason);
    },
    onRecycled: (place, reason) => log.info('a worker thread is replaced', { place: place.number, reason }),
    onLeaving: (place) => dispatcher()?.leave(place),
    onOutcome: (lane, slot, outcome, ran) => dispatcher()?.outcome(lane, slot, outcome, ran),
    onStarted: (lane, slot) => news()?.task('started', lane.message(slot)),
    onFinished: (lane, runs) => {
      report.finished(lane, runs);
      for (const { slot, ...ran } of runs) news()?.task('finished', lane.message(slot), { ran });
    },
    onCompletion: (lane, bytes) => dispatcher()?.completion(lane, bytes),
    onChunkEnd: (place, lane) => dispatcher()?.chunkEnded(place, lane),
    onStray: (error) => log.warn('an error that belongs to no task, from code that one left running', { error: textOf(error) }),
  };
}
