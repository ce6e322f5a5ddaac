/** Loads the user's module in a thread and finds the Huey that this consumer is for. */
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { ConfigurationError } from '../runtime/errors.js';
import type { HueyCore } from '../runtime/worker-context.js';

/**
 * The rule, in this order: the export that `named` says; the export `huey`, or default; the one that the exported
 * tasks belong to; the only one that was constructed while the module loaded.
 * @throws ConfigurationError where there is none, or several and nothing to choose by. Errors of the module itself pass through.
 */
export async function loadHuey(module: string, named: string | undefined, hueys: readonly HueyCore[]): Promise<HueyCore> {
  let exports: Record<string, unknown>;
  try {
    exports = (await import(module)) as Record<string, unknown>;
  } catch (error) {
    throw explain(module, error);
  }
  const huey = chooseHuey(exports, named, hueys);
  huey.registry.checkUnique();
  return huey;
}

function chooseHuey(exports: Record<string, unknown>, named: string | undefined, hueys: readonly HueyCore[]): HueyCore {
  const isHuey = (value: unknown): value is HueyCore => hueys.includes(value as HueyCore);
  // A CommonJS module arrives as the default export.
  const scopes = [exports, exports['default']].filter((scope) => typeof scope === 'object' && scope !== null) as Record<string, unknown>[];
  if (named !== undefined) {
    for (const scope of scopes) if (isHuey(scope[named])) return scope[named];
    throw new ConfigurationError(`--huey ${named}: the module exports no Huey of that name (${listOf(hueys)})`, 'no-huey');
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
      `the module has several Hueys (${listOf(candidates)}); export one as \`huey\`, or name an export with --huey`,
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
