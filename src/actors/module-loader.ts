/** Loads the user's module in a thread and finds the Huey that this consumer is for, or all of them. */
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { ConfigurationError } from '../runtime/errors.js';
import type { HueyCore } from '../runtime/worker-context.js';

/**
 * The rule, in this order: what `named` says (an export, a queue); the export `huey`, or default; the one that the
 * exported tasks belong to; the only one that was constructed while the module loaded.
 * @throws ConfigurationError where there is none, or several and nothing to choose by. Errors of the module itself pass through.
 */
export async function loadHuey(module: string, named: string | undefined, hueys: readonly HueyCore[]): Promise<HueyCore> {
  const exports = await load(module);
  const huey = chooseHuey(exports, named, hueys);
  huey.registry.checkUnique();
  return huey;
}

/**
 * Every Huey with tasks that was constructed while the module loaded. One without tasks only calls those of another
 * application: a consumer of its queue would know none of what it takes.
 * @throws ConfigurationError where there is none, or two are of one queue.
 */
export async function loadHueys(module: string, hueys: readonly HueyCore[]): Promise<HueyCore[]> {
  await load(module);
  const found = hueys.filter((huey) => huey.registry.manifest().length > 0);
  if (found.length === 0) throw new ConfigurationError(`the module made no Huey with tasks (${listOf(hueys)})`, 'no-huey');
  const double = found.find(({ name }, i) => found.findIndex((other) => other.name === name) !== i);
  if (double !== undefined) {
    throw new ConfigurationError(
      `the module has two Hueys of the queue "${double.name}", both with tasks; declare the tasks of a queue on one of them`,
      'several-hueys',
    );
  }
  for (const huey of found) huey.registry.checkUnique();
  return found;
}

/** Names a Huey by its queue, whatever the exports are called: no export and no queue has a blank in its name. */
export function queueSelector(queue: string): string {
  return `queue ${queue}`;
}

async function load(module: string): Promise<Record<string, unknown>> {
  try {
    return (await import(module)) as Record<string, unknown>;
  } catch (error) {
    throw explain(module, error);
  }
}

function chooseHuey(exports: Record<string, unknown>, named: string | undefined, hueys: readonly HueyCore[]): HueyCore {
  const isHuey = (value: unknown): value is HueyCore => hueys.includes(value as HueyCore);
  // A CommonJS module arrives as the default export.
  const scopes = [exports, exports['default']].filter((scope) => typeof scope === 'object' && scope !== null) as Record<string, unknown>[];
  if (named !== undefined) {
    for (const scope of scopes) if (isHuey(scope[named])) return scope[named];
    const ofQueue = hueys.filter(({ name }) => name === named || queueSelector(name) === named);
    // A module may make a Huey of one queue twice: the one that has the tasks is meant.
    const [only, other] = ofQueue.length > 1 ? ofQueue.filter((huey) => huey.registry.manifest().length > 0) : ofQueue;
    if (only !== undefined && other === undefined) return only;
    throw new ConfigurationError(
      other === undefined
        ? `--huey ${named}: the module has no Huey that is exported by that name or has a queue of it (${listOf(hueys)})`
        : `--huey ${named}: the module has several Hueys of that queue; name an export`,
      'no-huey',
    );
  }
  for (const scope of scopes) {
    for (const name of ['huey', 'default']) if (isHuey(scope[name])) return scope[name];
  }
  const owners = new Set<HueyCore>();
  for (const scope of scopes) {
    for (const value of Object.values(scope)) {
      const owner: unknown = typeof value === 'function' ? (value as { huey?: unknown }).huey : undefined;
      if (isHuey(owner)) owners.add(owner);
    }
  }
  const candidates = owners.size > 0 ? [...owners] : [...hueys];
  const [only] = candidates;
  if (only === undefined) {
    throw new ConfigurationError(
      'the module made no Huey: it must construct one, or import the file that does (const huey = createHuey(...); huey.task(...))',
      'no-huey',
    );
  }
  if (candidates.length > 1) {
    throw new ConfigurationError(
      `the module has several Hueys (${listOf(candidates)}); export one as \`huey\`, name one with --huey, or run --all`,
      'several-hueys',
    );
  }
  return only;
}

function listOf(hueys: readonly HueyCore[]): string {
  return hueys.length === 0 ? 'it made none' : hueys.map((huey) => `"${huey.name}"`).join(', ');
}

/** The import's own error, with a word on what to do where that is known. */
function explain(module: string, error: unknown): unknown {
  const code = (error as { code?: unknown } | null)?.code;
  if (code === 'ERR_UNKNOWN_FILE_EXTENSION' && /\.[cm]?tsx?$/.test(module)) {
    return new ConfigurationError(
      'this runtime cannot load TypeScript by itself: install tsx and add --import tsx, or give the compiled file',
      'typescript',
      { cause: error },
    );
  }
  if (code === 'ERR_MODULE_NOT_FOUND' || code === 'MODULE_NOT_FOUND') {
    const missing = error instanceof Error ? error.message : String(error);
    return new ConfigurationError(`the module cannot be loaded: ${missing}`, 'module-not-found', { cause: error });
  }
  return error;
}

/** A path or URL as the user gave it, as a file: URL. */
export function moduleUrl(module: string | URL, cwd: string): string {
  if (module instanceof URL) return module.href;
  return module.startsWith('file:') ? module : pathToFileURL(path.resolve(cwd, module)).href;
}
