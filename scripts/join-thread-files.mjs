/**
 * Joins what every thread loads into one file, dist/src/thread.js, and leaves in each of the files that went into it only
 * the way there. Node spends over a millisecond on a file, a thread begins with some eighty of them, and it is started
 * wherever one was ended. Whoever imports one of those files, a test or another part of the package, gets the same
 * classes as a thread.
 *
 * What is imported on demand stays on demand, in files of its own.
 */
import { build } from 'esbuild';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';

/** A thread's own code, and what the user's module imports. */
const ENTRIES = ['actors/worker.ts', 'api/index.ts'];
const JOINED = 'thread.js';

export async function joinThreadFiles(root) {
  const source = path.join(root, 'src');
  const target = path.join(root, 'dist/src');
  const common = {
    absWorkingDir: source,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    packages: 'external',
    metafile: true,
    write: false,
    logLevel: 'error',
    plugins: [onDemand(source)],
  };
  const reached = await build({ ...common, entryPoints: ENTRIES, bundle: true, outdir: target });
  const files = Object.keys(reached.metafile.inputs).sort();
  const each = await build({ ...common, plugins: [], entryPoints: files, bundle: false, outdir: '/', outbase: source });
  const exportsOf = new Map(Object.values(each.metafile.outputs).map(({ entryPoint, exports }) => [entryPoint, exports]));
  const lines = files.map((file, n) => {
    const names = exportsOf.get(file).map((name) => `${name} as ${name}$${n}`);
    return names.length === 0 ? `import './${file}';` : `export { ${names.join(', ')} } from './${file}';`;
  });
  const joined = await build({
    ...common,
    stdin: { contents: lines.join('\n'), resolveDir: source, loader: 'ts' },
    bundle: true,
    sourcemap: true,
    sourcesContent: false,
    outfile: path.join(target, JOINED),
  });
  for (const { path: file, text } of joined.outputFiles) writeChanged(file, file.endsWith('.js') ? withNames(text) : text);
  files.forEach((file, n) => {
    const way = path.posix.relative(path.posix.dirname(file), JOINED);
    const names = exportsOf.get(file).map((name) => `${name}$${n} as ${name}`);
    const stub = path.join(target, file.replace(/\.ts$/, '.js'));
    writeChanged(stub, `export { ${names.join(', ')} } from '${way.startsWith('.') ? way : `./${way}`}';\n`);
    rmSync(`${stub}.map`, { force: true });
  });
}

/** `import()` leads to the file, not into the joined one; the way there begins where that is. */
function onDemand(source) {
  return {
    name: 'on-demand',
    setup({ onResolve }) {
      onResolve({ filter: /^\./ }, ({ kind, path: to, resolveDir }) => {
        if (kind !== 'dynamic-import') return undefined;
        const file = path.relative(source, path.resolve(resolveDir, to)).split(path.sep).join('/');
        return { path: `./${file}`, external: true };
      });
    },
  };
}

/** A class that speaks of itself is made under another name; whoever prints one shall see its own. */
function withNames(text) {
  const renamed = [...text.matchAll(/^var (\w+) = class _\1\b/gm)].map(([, name]) => `[${name}, '${name}']`);
  const names = `for (const [made, value] of [${renamed.join(', ')}]) Object.defineProperty(made, 'name', { value });`;
  return renamed.length === 0 ? text : text.replace(/^(?=export \{)/m, `${names}\n`);
}

/** Another process may be reading. */
function writeChanged(file, text) {
  if (!existsSync(file) || readFileSync(file, 'utf8') !== text) writeFileSync(file, text);
}
