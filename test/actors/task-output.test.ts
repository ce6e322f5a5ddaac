/** The bounds of what threads have written and nobody has printed yet. */
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, it } from 'node:test';
import { costOf, OUTPUT_MAX_COST, OutputBudget } from '../../src/actors/output-budget.js';
import { taggedLines, type TaskLine } from '../../src/actors/task-lines.js';
import { TaskOutput } from '../../src/actors/task-output.js';
import { poll } from '../support/poll.js';

const HALF = OUTPUT_MAX_COST / 2;

describe('the budget of a thread', () => {
  it('has room for so much, drops what comes then, and has room again when half of it is printed', () => {
    const budget = new OutputBudget();
    assert.deepEqual([budget.take(HALF), budget.take(HALF)], [true, true]);
    assert.deepEqual([budget.take(1), budget.take(1)], [false, false]);
    budget.give(HALF - 1);
    assert.equal(budget.take(1), false);
    budget.give(1);
    assert.equal(budget.take(1), false, 'with it it would be more than half');
    budget.give(1);
    assert.equal(budget.take(1), true);
    assert.deepEqual([budget.takeDropped(), budget.takeDropped()], [4, 0]);
  });

  it('takes what is larger than everything where nothing else is there', () => {
    const budget = new OutputBudget();
    assert.equal(budget.take(2 * OUTPUT_MAX_COST), true);
    assert.equal(budget.take(1), false);
    budget.give(2 * OUTPUT_MAX_COST);
    assert.equal(budget.take(2 * OUTPUT_MAX_COST), true);
  });

  it('is one for both sides', () => {
    const thread = new OutputBudget();
    const supervisor = new OutputBudget(thread.buffer);
    thread.take(OUTPUT_MAX_COST);
    supervisor.give(OUTPUT_MAX_COST);
    assert.equal(thread.take(OUTPUT_MAX_COST), true);
  });
});

describe('the output of a consumer', () => {
  const line = (text: string): TaskLine => ({ level: 'info', text, task: 'talk', id: 'beans-1' });

  it('gives a thread room again for what was printed', async () => {
    const printed: string[] = [];
    const thread = new TaskOutput(({ text }) => void printed.push(text)).open();
    const budget = new OutputBudget(thread.budget);
    const large = line('x'.repeat(HALF));
    budget.take(costOf(large.text));
    thread.line(large);
    assert.equal(printed.length, 1);
    // Where it is never given back this waits in vain, and is false.
    await poll('room for another', () => budget.take(HALF));
  });

  it('gives no room for what is not written yet', async () => {
    let write: () => void = () => undefined;
    const thread = new TaskOutput(() => new Promise<void>((resolve) => (write = resolve))).open();
    const budget = new OutputBudget(thread.budget);
    budget.take(OUTPUT_MAX_COST);
    thread.line(line('x'.repeat(OUTPUT_MAX_COST)));
    await sleep(50);
    assert.equal(budget.take(1), false);
    write();
    await poll('room', () => budget.take(1));
  });

  it('goes on where a line cannot be written', async () => {
    const thread = new TaskOutput(() => Promise.reject(new Error('no space left'))).open();
    const budget = new OutputBudget(thread.budget);
    budget.take(OUTPUT_MAX_COST);
    thread.line(line('x'.repeat(OUTPUT_MAX_COST)));
    await poll('room', () => budget.take(1));
  });

  it('tells what a thread dropped, also where that has ended meanwhile', () => {
    const printed: TaskLine[] = [];
    const thread = new TaskOutput((one) => void printed.push(one)).open();
    const budget = new OutputBudget(thread.budget);
    budget.take(OUTPUT_MAX_COST);
    thread.line(line('full'));
    budget.take(1);
    thread.end();
    thread.end();
    assert.deepEqual(printed.slice(1), [{ ...line('... 1 line dropped: they came faster than they could be written'), level: 'warn' }]);
  });

  it('is tagged on each of its lines', () => {
    assert.deepEqual(taggedLines(line('a\n\nb')), ['[talk beans-1] a', '[talk beans-1] ', '[talk beans-1] b']);
    assert.deepEqual(taggedLines({ level: 'info', text: 'a\nb' }), ['a', 'b']);
  });
});
