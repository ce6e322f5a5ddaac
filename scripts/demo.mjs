/**
 * What `npm run demo` runs: builds, and then, for each example, starts a consumer and runs the producer against it.
 *
 *     npm run demo                                        on SQLite files in a temporary folder: nothing to install
 *     npm run demo -- --url redis://127.0.0.1:6379        on Redis
 *
 * Leaves no process and no file behind, whatever happens. Exit code 0 where everything went well.
 */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const root = fileURLToPath(new URL('..', import.meta.url));
/** What the second example indexes of node_modules, so that the demo stays short. */
const FILES = 1000;
/** The examples take a few seconds; only what is broken takes this long. */
const DEADLINE_MS = 55_000;
const STOP_MS = 5_000;

const { values } = parseArgs({ options: { url: { type: 'string' }, 'skip-build': { type: 'boolean', default: false } } });
const folder = mkdtempSync(path.join(tmpdir(), 'huey-runtime-demo-'));
const children = new Set();
let isOver = false;

process.on('exit', () => {
  for (const child of children) child.kill('SIGKILL');
  rmSync(folder, { recursive: true, force: true });
});
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => void abandon(130, `stopped by ${signal}`));

if (!values['skip-build']) build();
setTimeout(() => void abandon(1, `not done within ${DEADLINE_MS / 1000} s`), DEADLINE_MS).unref();
try {
  await demonstrate('beans', 'The example of the guide: calls, a schedule, retries', []);
  await demonstrate('index-files', `Real work: ${FILES} files of node_modules are read, hashed, and their words counted`, [
    '--max-files',
    String(FILES),
    '--verify',
  ]);
  heading('Done: both examples ran, the consumers ended in good order');
} catch (error) {
  await abandon(1, error.message);
}

/** One example: its consumer is up while its producer runs, and is ended by SIGTERM. */
async function demonstrate(name, title, args) {
  heading(title);
  const url = values.url ?? `sqlite:${path.join(folder, `${name}.db`)}`;
  const env = { ...withoutHuey(process.env), HUEY_URL: url };
  const consumer = start([path.join(root, 'dist/bin/huey-runtime.js'), '--module', `examples/${name}/tasks.js`], env, 'pipe');
  const lines = createInterface({ input: consumer.stdout });
  lines.on('line', (line) => console.log(`  consumer | ${line}`));
  const isUp = new Promise((resolve) => lines.on('line', (line) => line.includes('is running') && resolve()));
  await Promise.race([isUp, consumer.ended.then((code) => fail(`the consumer ended with code ${code} before it ran`))]);

  const producer = start([`examples/${name}/main.js`, ...args], env, 'inherit');
  const code = await Promise.race([producer.ended, consumer.ended.then(() => fail('the consumer ended before the producer'))]);
  if (code !== 0) fail(`the producer of ${name} ended with code ${code}`);

  consumer.kill('SIGTERM');
  const stopped = await consumer.ended;
  if (stopped !== 0) fail(`the consumer of ${name} ended with code ${stopped}`);
}

/** A child with `ended`: the promise of its exit code, when its output is complete. */
function start(args, env, stdout) {
  const child = spawn(process.execPath, args, { cwd: root, env, stdio: ['ignore', stdout, 'inherit'] });
  children.add(child);
  child.ended = once(child, 'close').then(([code, signal]) => {
    children.delete(child);
    return code ?? signal;
  });
  // Whoever races it against something else may not look any more.
  child.ended.catch(() => undefined);
  return child;
}

/** Ends what runs, in good order if it does so soon, and then this process. */
async function abandon(code, reason) {
  if (isOver) return;
  isOver = true;
  console.error(`demo: ${reason}`);
  const running = [...children];
  for (const child of running) child.kill('SIGTERM');
  await Promise.race([Promise.all(running.map((child) => child.ended)), new Promise((resolve) => setTimeout(resolve, STOP_MS))]);
  process.exit(code);
}

function build() {
  heading('Building');
  const { status } = spawnSync(process.execPath, [path.join(root, 'scripts/build.mjs')], { stdio: 'inherit' });
  if (status === 0) return;
  console.error('demo: the build failed');
  process.exit(1);
}

/** The demo has its own settings, whatever the shell has. */
function withoutHuey(env) {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !name.startsWith('HUEY_') && name !== 'REDIS_URL'));
}

function heading(text) {
  console.log(`\n== ${text}`);
}

function fail(message) {
  throw new Error(message);
}
