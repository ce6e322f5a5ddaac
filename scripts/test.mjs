/**
 * What `npm test` runs: builds, sees to it that there is a Redis server (no test is skipped for want of one), and runs
 * the tests with node's own runner, whose exit code is this one's.
 *
 *     npm test                                   all but the slow fault tests
 *     npm test -- test/runtime test/x.test.ts    these folders and files
 *     npm test -- --test-name-pattern=crontab    further options go to node
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, statSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { requireRedis } from './require-redis.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
/** No test takes nearly as long; one that hangs shall not hang its caller. */
const TEST_TIMEOUT_MS = 10 * 60 * 1000;

const options = process.argv.slice(2).filter((arg) => arg.startsWith('--'));
const named = process.argv.slice(2).filter((arg) => !arg.startsWith('--'));

requireRedis();
const build = spawnSync(process.execPath, [path.join(root, 'scripts/build.mjs')], { stdio: 'inherit' });
if (build.status !== 0) process.exit(build.status ?? 1);

const files = named.length > 0 ? named.flatMap(namedFiles) : testFiles('dist/test').filter(isQuick);
if (files.length === 0) {
  console.log(`no tests in ${named.length > 0 ? named.join(', ') : 'test'}`);
  process.exit(0);
}
const args = ['--enable-source-maps', '--test', '--test-reporter=spec', `--test-timeout=${TEST_TIMEOUT_MS}`, ...options, ...files];
const { status } = spawnSync(process.execPath, args, { cwd: root, stdio: 'inherit' });
process.exit(status ?? 1);

/** Fault tests take minutes; those that take seconds are called *.fast.test.ts. */
function isQuick(file) {
  return !file.startsWith(path.join('dist/test/faults')) || file.endsWith('.fast.test.js');
}

/** A test is named by its source or by what was built from it. */
function namedFiles(name) {
  const source = path.relative(root, path.resolve(name));
  const built = (source.startsWith('dist') ? source : path.join('dist', source)).replace(/\.ts$/, '.js');
  if (existsSync(path.join(root, built))) return statSync(path.join(root, built)).isDirectory() ? testFiles(built) : [built];
  if (existsSync(path.join(root, source))) return [];
  console.error(`no such test: ${name}`);
  process.exit(2);
}

function testFiles(folder) {
  return readdirSync(path.join(root, folder), { recursive: true })
    .filter((file) => file.endsWith('.test.js'))
    .map((file) => path.join(folder, file))
    .sort();
}
