/** The entry of the thread in which a module is loaded only to see which Hueys it has (module-scan.ts). */
import { parentPort, workerData } from 'node:worker_threads';
import { errorInfo } from '../runtime/error-data.js';
import { HueyException } from '../runtime/errors.js';
import type { ProducerStorage } from '../runtime/storage.js';
import { enterWorker, type HueyCore } from '../runtime/worker-context.js';
import { loadHuey, loadHueys } from './module-loader.js';
import type { ModuleAnswer, ModuleQuestion } from './module-scan.js';

/** No queue has this name: a Huey that is called while the module loads connects by itself, as it does in a producer. */
const NO_QUEUE = '';

const { module, huey, all } = workerData as ModuleQuestion;
const hueys: HueyCore[] = [];
enterWorker({ hueys, queue: NO_QUEUE, storage: noStorage() });
parentPort?.postMessage(await answer());

async function answer(): Promise<ModuleAnswer> {
  try {
    const found = all ? await loadHueys(module, hueys) : [await loadHuey(module, huey, hueys)];
    return { hueys: found.map(({ name, connection, settings }) => ({ queue: name, connection, settings })) };
  } catch (error) {
    return { error: errorInfo(error) };
  }
}

/** Nobody asks for it, since no Huey is of its queue. */
function noStorage(): ProducerStorage {
  return new Proxy({} as ProducerStorage, {
    get: () => () => Promise.reject(new HueyException('this thread only looks at the module', 'no-storage')),
  });
}
