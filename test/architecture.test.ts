/** The house rules that a compiler does not know (docs/architecture.md). */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import { projectRoot } from './support/project-root.js';

const root = projectRoot();

/** Each imports from itself and from those before it. */
const LAYERS = ['src/runtime', 'src/api', 'src/actors', 'bin'];

/** Where each third-party package may be imported. Types count too, for they end in the declarations that users read. */
const OWNERS: Record<string, RegExp> = {
  ioredis: /^src\/runtime\/storage\/redis[^/]*\.ts$/,
  comlink: /^src\/runtime\/actor-ref\.ts$/,
  piscina: /^src\/actors\/pool\.ts$/,
  luxon: /^src\/runtime\/clock\.ts$/,
  yargs: /^bin\/help\.ts$/,
  'yargs-parser': /^bin\/parser\.ts$/,
  libsql: /^src\/runtime\/storage\/sqlite-driver\.ts$/,
  'node:sqlite': /^src\/runtime\/storage\/sqlite-driver\.ts$/,
};

const LINES_MAX = 400;
/** Files that are longer, and why they are not two. */
const LONG_FILES: Record<string, string> = {};

interface Import {
  file: string;
  target: string;
}

const files = [...sources('src'), ...sources('bin')];
const imports = files.flatMap((file) => importsOf(file));

describe('the layers', () => {
  it('are found', () => {
    assert.ok(imports.length > 10);
  });

  it('import only from themselves and from those below: runtime <- api <- actors <- bin', () => {
    const wrong = imports.filter(({ file, target }) => {
      if (!target.startsWith('.')) return false;
      const to = path.posix.join(path.posix.dirname(file), target);
      return layerOf(to) === -1 || layerOf(to) > layerOf(file);
    });
    assert.deepEqual(wrong, []);
  });

  it('import the package by its own name nowhere', () => {
    assert.deepEqual(
      imports.filter(({ target }) => /^huey-runtime(\/|$)/.test(target)),
      [],
    );
  });
});

describe('third-party packages', () => {
  it('are each imported in one place', () => {
    const wrong = imports.filter(({ file, target }) => {
      if (target.startsWith('.')) return false;
      const owner = OWNERS[packageOf(target)];
      return owner === undefined ? !target.startsWith('node:') : !owner.test(file);
    });
    assert.deepEqual(wrong, []);
  });

  it('are those that package.json names', () => {
    const { dependencies } = JSON.parse(read('package.json')) as { dependencies: Record<string, string> };
    const owned = Object.keys(OWNERS).filter((name) => !name.startsWith('node:'));
    assert.deepEqual(Object.keys(dependencies).sort(), owned.sort());
  });
});

describe('files', () => {
  it(`of src and bin have at most ${LINES_MAX} lines, unless there is a reason`, () => {
    const long = files.filter((file) => read(file).split('\n').length - 1 > LINES_MAX);
    assert.deepEqual(
      long.filter((file) => LONG_FILES[file] === undefined),
      [],
      'split it, or give the reason in LONG_FILES',
    );
    assert.deepEqual(
      Object.keys(LONG_FILES).filter((file) => !long.includes(file)),
      [],
      'not long any more',
    );
  });

  it('open with what they own', () => {
    const silent = files.filter((file) => !/^(#!.*\n)?\/\*\*/.test(read(file)));
    assert.deepEqual(silent, []);
  });
});

describe('package-lock.json', () => {
  it('names no host: packages come from whatever registry is set up', () => {
    assert.doesNotMatch(read('package-lock.json'), /"resolved": "https?:/);
  });
});

function read(file: string): string {
  return readFileSync(path.join(root, file), 'utf8');
}

function sources(folder: string): string[] {
  if (!existsSync(path.join(root, folder))) return [];
  return readdirSync(path.join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts'))
    .map((file) => path.posix.join(folder, ...file.split(path.sep)))
    .sort();
}

/** Imports, re-exports, `import()`, `require()`, also by createRequire, and files that threads are started with. */
function importsOf(file: string): Import[] {
  const code = read(file)
    .replace(/\/\*[\s\S]*?\*\//g, '')
    .replace(/^\s*\/\/.*$/gm, '');
  const forms = [
    /\b(?:import|export)\b[^'"`;=()]*?\bfrom\s*['"]([^'"]+)['"]/g,
    /^\s*import\s*['"]([^'"]+)['"]/gm,
    /\bimport\s*\(\s*['"]([^'"]+)['"]/g,
    /\brequire\s*\(\s*['"]([^'"]+)['"]/g,
    /\bcreateRequire\s*\([^)]*\)\s*\(\s*['"]([^'"]+)['"]/g,
    /\bnew URL\s*\(\s*['"](\.[^'"]+\.js)['"]\s*,\s*import\.meta\.url/g,
  ];
  return forms.flatMap((form) => [...code.matchAll(form)].map((match) => ({ file, target: match[1] ?? '' })));
}

/** The place of a file among the layers, -1 outside. */
function layerOf(file: string): number {
  return LAYERS.findIndex((layer) => file.startsWith(`${layer}/`));
}

function packageOf(target: string): string {
  const parts = target.split('/');
  return parts.slice(0, target.startsWith('@') ? 2 : 1).join('/');
}
