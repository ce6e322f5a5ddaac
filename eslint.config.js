/** Type-checked linting, and the house rules about who may import what (docs/architecture.md). */
import { defineConfig, globalIgnores } from 'eslint/config';
import tseslint from 'typescript-eslint';

/** Third-party packages and the only files that may import them. test/architecture.test.ts keeps the same list. */
const OWNERS = {
  ioredis: 'src/runtime/storage/redis*.ts',
  comlink: 'src/runtime/actor-ref.ts',
  piscina: 'src/actors/pool.ts',
  luxon: 'src/runtime/clock.ts',
  yargs: 'bin/**/*.ts',
  libsql: 'src/runtime/storage/sqlite-driver.ts',
  'node:sqlite': 'src/runtime/storage/sqlite-driver.ts',
};

/** A layer and those above it, which it must not import. */
const LAYERS = {
  'src/runtime': ['api', 'actors', 'bin', 'bench', 'test'],
  'src/api': ['actors', 'bin', 'bench', 'test'],
  'src/actors': ['bin', 'bench', 'test'],
  bin: ['bench', 'test'],
};

export default defineConfig(
  globalIgnores(['dist/', 'coverage/', 'bench/peers/', 'bench/results/', '.huey/']),
  {
    files: ['**/*.ts'],
    extends: [tseslint.configs.recommendedTypeChecked],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    linterOptions: { reportUnusedDisableDirectives: 'error' },
    rules: {
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/no-non-null-assertion': 'error',
      '@typescript-eslint/no-floating-promises': [
        'error',
        { allowForKnownSafeCalls: [{ from: 'package', package: 'node:test', name: ['it', 'test', 'describe', 'suite'] }] },
      ],
      '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
      '@typescript-eslint/consistent-type-imports': ['error', { fixStyle: 'inline-type-imports', disallowTypeAnnotations: false }],
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_', ignoreRestSiblings: true }],
      // Interfaces promise promises; an implementation that needs none is still one.
      '@typescript-eslint/require-await': 'off',
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true, allowBoolean: true }],
      'no-console': 'error',
      eqeqeq: 'error',
      'no-restricted-syntax': ['error', { selector: 'ExportDefaultDeclaration', message: 'Named exports only.' }],
    },
  },
  ...Object.keys(LAYERS).map((layer) => ({ files: [`${layer}/**/*.ts`], rules: importRule(layer) })),
  ...Object.values(OWNERS).map((owner) => ({ files: [owner], rules: importRule(layerOf(owner), owner) })),
  { files: ['bin/**', 'bench/**', 'examples/**', 'test/**'], rules: { 'no-console': 'off' } },
  {
    // Tests hand over what the types forbid, and user code of every shape.
    files: ['test/**/*.ts'],
    rules: { '@typescript-eslint/only-throw-error': 'off', '@typescript-eslint/prefer-promise-reject-errors': 'off' },
  },
);

function importRule(layer, owner) {
  const paths = Object.keys(OWNERS)
    .filter((name) => OWNERS[name] !== owner)
    .map((name) => ({ name, message: `Only ${OWNERS[name]} imports ${name}.` }));
  const patterns = LAYERS[layer].map((above) => ({
    group: [`**/${above}/*`, `**/${above}/**`],
    message: `${layer} imports nothing from ${above}.`,
  }));
  return { 'no-restricted-imports': ['error', { paths, patterns }] };
}

function layerOf(owner) {
  return Object.keys(LAYERS).find((layer) => owner.startsWith(`${layer}/`));
}
