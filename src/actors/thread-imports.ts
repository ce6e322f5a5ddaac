/**
 * What threads load first so that they can read the user's module. `node --import` means the same in a thread, but for
 * tsx, which sets itself up in main threads alone (https://github.com/privatenumber/tsx/issues/354): there its API
 * has to be called.
 */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { pathToFileURL } from 'node:url';

const TSX = ['tsx', 'tsx/esm'];

/** `module`: the file: URL of the module that is to be loaded, from where tsx is looked for. */
export function threadImports(imports: readonly string[], module: string): string[] {
  return imports.map((one) => (TSX.includes(one) ? (tsxRegistration(module) ?? one) : one));
}

/** undefined: not installed, or of a shape that is not known; then node says what is wrong. */
function tsxRegistration(module: string): string | undefined {
  try {
    const manifest = createRequire(module).resolve('tsx/package.json');
    const { exports } = JSON.parse(readFileSync(manifest, 'utf8')) as TsxManifest;
    // The file for import: require would resolve another one, which does not work as a module.
    const api = pathToFileURL(path.join(path.dirname(manifest), exports['./esm/api'].import.default)).href;
    return `data:text/javascript,${encodeURIComponent(`import { register } from ${JSON.stringify(api)}; register();`)}`;
  } catch {
    return undefined;
  }
}

interface TsxManifest {
  exports: { './esm/api': { import: { default: string } } };
}
