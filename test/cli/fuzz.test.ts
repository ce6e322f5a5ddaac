/** Random command lines: each is understood, or refused with one line that names what is wrong. */
import fc from 'fast-check';
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { readCommandLine } from '../../bin/command-line.js';
import { isToolWord, TOOLS } from '../../bin/tool-options.js';
import { OPTION_NAMES, optionOf, variableOf } from '../../bin/options.js';
import { moduleOfTool } from '../../bin/queue-place.js';
import { asUsageError, settingsOf } from '../../bin/settings.js';
import { UsageError } from '../../bin/values.js';
import { checkSupervisorOptions } from '../../src/actors/supervisor-options.js';
import { randomSeed } from '../support/seed.js';
import { GOOD_MODULE, runCommand, userProject } from './command.js';

/** Reads a line as the command does, up to where anything starts. */
async function understand(argv: readonly string[], env: Record<string, string>, cwd: string): Promise<string> {
  const command = await readCommandLine(argv, env);
  if (command.kind === 'tool') moduleOfTool(command.call.values);
  if (command.kind !== 'run') return command.kind;
  const { supervisor } = settingsOf(command.values, cwd);
  try {
    checkSupervisorOptions(supervisor);
  } catch (error) {
    throw asUsageError(error);
  }
  return 'run';
}

/** What it says where it refuses; undefined: it is understood. */
async function refusal(argv: readonly string[], env: Record<string, string>, cwd: string): Promise<string | undefined> {
  try {
    await understand(argv, env, cwd);
    return undefined;
  } catch (error) {
    assert.ok(
      error instanceof UsageError,
      `${JSON.stringify(argv)}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`,
    );
    assert.match(error.message, /^[^\n]+$/, 'one line');
    return error.message;
  }
}

const values = fc.oneof(
  fc.constantFrom(
    '',
    '0',
    '1',
    '-1',
    '1e400',
    'NaN',
    '0x10',
    '99999999999',
    '1.5',
    'true',
    'redis://',
    'redis://h:x',
    'redis://[',
    'sqlite:',
    'memory:',
  ),
  fc.constantFrom(
    'file:',
    'file:///',
    'file://host/a.js',
    'file:///%2e%2f%00',
    'file:///a%2Fb',
    '/dev/null',
    'x'.repeat(5000),
    '~',
    '*',
    'a,b',
    'tasks.js',
  ),
  fc.string({ maxLength: 20 }).filter((text) => !text.includes('\0')),
  fc.string({ unit: 'binary', maxLength: 10 }).filter((text) => !text.includes('\0')),
);
const words = fc.oneof(
  values,
  fc.constantFrom(...OPTION_NAMES.map((name) => `--${name}`), '--', '-', '--=', '-w', '-vqS', '-s=5', '--no-workers', '--__proto__=1'),
  fc.constantFrom(...Object.keys(TOOLS).flatMap((name) => name.split(' ')), '--queue', '--limit', '--task', '--until', '--yes'),
  fc.tuple(fc.constantFrom(...OPTION_NAMES), values).map(([name, value]) => `--${name}=${value}`),
);

async function project(t: TestContext): Promise<string> {
  return userProject(t, { 'tasks.js': GOOD_MODULE });
}

describe('a random command line', () => {
  it('is understood, or refused in one line', async (t) => {
    const cwd = await project(t);
    const lines = fc.array(words, { maxLength: 7 });
    const tools = fc
      .tuple(fc.constantFrom(...Object.keys(TOOLS)), lines)
      .map(([name, rest]) => [...name.split(' '), '--queue', 'q', ...rest]);
    const runs = lines.map((rest) => ['tasks.js', ...rest]);
    const understood = new Map<boolean, number>();
    await fc.assert(
      fc.asyncProperty(fc.oneof(lines, tools, runs), async (argv) => {
        const good = (await refusal(argv, {}, cwd)) === undefined;
        understood.set(good, (understood.get(good) ?? 0) + 1);
      }),
      { seed: randomSeed(t), numRuns: 1000 },
    );
    assert.ok((understood.get(true) ?? 0) > 20 && (understood.get(false) ?? 0) > 20, JSON.stringify([...understood]));
  });

  it('in the environment is understood, or refused with the name of the variable', async (t) => {
    const cwd = await project(t);
    const variables = OPTION_NAMES.flatMap((name) => variableOf(name) ?? []);
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...variables), values, async (variable, value) => {
        const argv = variable === 'HUEY_MODULE' ? [] : ['tasks.js'];
        const said = await refusal(argv, { [variable]: value }, cwd);
        const name = OPTION_NAMES.find((one) => variableOf(one) === variable) ?? '';
        if (said !== undefined && argv.length > 0)
          assert.ok(said.includes(variable) || said.includes(`--${name}`), `${variable}=${value}: ${said}`);
      }),
      { seed: randomSeed(t), numRuns: 500 },
    );
  });

  it('with one wrong value names its option', async (t) => {
    const cwd = await project(t);
    const named = OPTION_NAMES.filter((name) => name !== 'module' && optionOf(name).kind !== 'flag');
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...named), values, async (name, value) => {
        const said = await refusal(['tasks.js', `--${name}=${value}`], {}, cwd);
        if (said !== undefined) assert.ok(said.includes(`--${name}`), `--${name}=${value}: ${said}`);
      }),
      { seed: randomSeed(t), numRuns: 500 },
    );
  });

  it('names the file where the module is none', async (t) => {
    const cwd = await project(t);
    for (const module of ['file://host/a.js', 'file:///a%2Fb', 'file:', 'x'.repeat(5000), 'tasks.js/more', '/proc/self/mem/x']) {
      const said = await refusal([module], {}, cwd);
      assert.ok(said?.includes('--module') === true, `${module.slice(0, 30)}: ${String(said)}`);
    }
    assert.equal(isToolWord('tasks.js'), false);
  });

  it('ends the process with exit code 2 and that line', async (t) => {
    const cwd = await project(t);
    for (const argv of [
      ['file://host/a.js'],
      ['tasks.js', '--workers=-1'],
      ['tasks.js', '--url=redis://['],
      ['x'.repeat(5000)],
      ['dead', '--queue', 'q'],
    ]) {
      const { code, stdout, stderr } = await runCommand(t, argv, { cwd });
      assert.deepEqual([code, stdout], [2, ''], argv.join(' ').slice(0, 50));
      assert.match(stderr, /^huey-runtime: [^\n]+\n$/);
    }
  });
});
