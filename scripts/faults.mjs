/**
 * What `npm run test:faults` runs: every test of test/faults, one file after the other, because they measure times and
 * kill processes. Each row appends its figures to a file, from which the table at the end is made.
 *
 *     npm run test:faults                          everything
 *     npm run test:faults -- --seed 7              repeats a run (SEED=7 does the same)
 *     npm run test:faults -- --only F1,F2          these rows alone
 *     npm run test:faults -- --full                the long variants of rows that are scaled down by default
 *     npm run test:faults -- --markdown FILE       writes the table as Markdown, too
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { requireRedis } from './require-redis.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const FOLDER = path.join('dist', 'test', 'faults');
const FILE_TIMEOUT_MS = 30 * 60 * 1000;
const COLUMNS = ['fault', 'what', 'storage', 'N', 'distinct', 'lost', 'duplicates', 'recovered', 'result'];

const { seed, only, full, markdown } = readOptions();

requireRedis();
const build = spawnSync(process.execPath, [path.join(root, 'scripts/build.mjs')], { stdio: 'inherit' });
if (build.status !== 0) process.exit(build.status ?? 1);

const folder = mkdtempSync(path.join(tmpdir(), 'huey-faults-'));
const reportFile = path.join(folder, 'report');
console.log(`seed ${seed}; repeat with: npm run test:faults -- --seed ${seed}${only === '' ? '' : ` --only ${only}`}`);
const startedAt = Date.now();
const failedFiles = testFiles().filter((file) => !runFile(file));
const rows = readRows();
rmSync(folder, { recursive: true });

const table = rows.map(cellsOf);
console.log(`\n${asText(table)}`);
const failedRows = rows.filter(({ failure }) => failure !== undefined);
for (const file of failedFiles) console.log(`failed: ${file}`);
const lost = rows.reduce((sum, { report }) => sum + (report?.lost ?? 0), 0);
const minutes = ((Date.now() - startedAt) / 60_000).toFixed(1);
console.log(`\n${rows.length} rows, ${failedRows.length} failed, ${lost} tasks lost, ${minutes} minutes, seed ${seed}`);
if (markdown !== undefined) writeFileSync(markdown, asMarkdown(table));
if (rows.length === 0) console.log('no row ran');
process.exit(failedFiles.length > 0 || failedRows.length > 0 || rows.length === 0 ? 1 : 0);

function readOptions() {
  try {
    const { values } = parseArgs({
      options: { seed: { type: 'string' }, only: { type: 'string' }, full: { type: 'boolean' }, markdown: { type: 'string' } },
    });
    const given = Number(values.seed ?? process.env.SEED ?? Math.floor(Math.random() * 2 ** 31));
    if (!Number.isSafeInteger(given) || given < 0) throw new Error('--seed is a whole number');
    const rows = (values.only ?? '').toUpperCase();
    if (!/^(F\d+(,F\d+)*)?$/.test(rows)) throw new Error('--only is a list of rows: F1,F2');
    return { seed: given, only: rows, full: values.full === true, markdown: values.markdown };
  } catch (error) {
    console.error(`test:faults: ${error.message}`);
    process.exit(2);
  }
}

/** All files, or, where rows were named, those that have one of them. */
function testFiles() {
  const wanted = only.split(',').map((row) => new RegExp(`['"\`]${row}['"\`]`));
  return readdirSync(path.join(root, FOLDER), { recursive: true })
    .filter((file) => file.endsWith('.test.js'))
    .map((file) => path.join(FOLDER, file))
    .filter((file) => only === '' || wanted.some((row) => row.test(readFileSync(path.join(root, file), 'utf8'))))
    .sort();
}

function runFile(file) {
  console.log(`\n${path.relative(FOLDER, file).replace(/\.js$/, '')}`);
  const args = ['--enable-source-maps', '--test', '--test-reporter=spec', `--test-timeout=${FILE_TIMEOUT_MS}`, file];
  const env = { ...process.env, SEED: String(seed), HUEY_FAULTS_REPORT: reportFile, HUEY_FAULTS_ONLY: only };
  if (full) env.HUEY_FAULTS_FULL = '1';
  return spawnSync(process.execPath, args, { cwd: root, stdio: 'inherit', env }).status === 0;
}

function readRows() {
  try {
    const lines = readFileSync(reportFile, 'utf8').split('\n').slice(0, -1);
    return lines.map((line) => JSON.parse(line)).sort((a, b) => Number(a.fault.slice(1)) - Number(b.fault.slice(1)));
  } catch {
    return [];
  }
}

function cellsOf({ fault, title, storage, report, failure }) {
  const figures = report ?? { n: '-', distinct: '-', lost: '-', duplicates: '-' };
  const recovered = report?.recoveryMs === undefined ? '' : `${(report.recoveryMs / 1000).toFixed(2)} s`;
  const result = failure === undefined ? 'ok' : 'FAILED';
  return [fault, title, storage, figures.n, figures.distinct, figures.lost, figures.duplicates, recovered, result].map(String);
}

function asText(cells) {
  const all = [COLUMNS, ...cells];
  const widths = COLUMNS.map((_, column) => Math.max(...all.map((row) => row[column].length)));
  return all
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column]))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

function asMarkdown(cells) {
  const line = (row) => `| ${row.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  const notes = rows.flatMap(({ fault, storage, report }) =>
    report?.note === undefined ? [] : [`- ${fault} (${storage}): ${report.note}`],
  );
  const rule = `| ${COLUMNS.map(() => '---').join(' | ')} |`;
  return [line(COLUMNS), rule, ...cells.map(line), '', `Seed ${seed}, ${minutes} minutes.`, '', ...notes, ''].join('\n');
}
