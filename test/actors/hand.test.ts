import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Hand } from '../../src/actors/hand.js';

const HOLD_MS = 20;

describe('the hand', () => {
  it('gives out what it got, first things first', () => {
    const hand = new Hand(HOLD_MS, () => undefined);
    hand.put(['a', 'b']);
    hand.put([]);
    hand.put(['c']);
    assert.deepEqual([hand.size, hand.texts], [3, ['a', 'b', 'c']]);
    assert.deepEqual(hand.draw(2), ['a', 'b']);
    assert.deepEqual(hand.draw(5), ['c']);
    assert.deepEqual(hand.draw(1), []);
    hand.clear();
  });

  it('tells when something has been there for too long, and gives that out alone', async () => {
    let tell: () => void = () => undefined;
    const hand = new Hand(HOLD_MS, () => tell());
    const old = new Promise<void>((resolve) => {
      tell = resolve;
    });
    hand.put(['old']);
    await old;
    hand.put(['young']);
    assert.deepEqual(hand.drawOld(), ['old']);
    assert.deepEqual(hand.texts, ['young']);
    const later = new Promise<void>((resolve) => {
      tell = resolve;
    });
    await later;
    assert.deepEqual(hand.drawOld(), ['young']);
  });

  it('gives out everything when it is asked to', () => {
    const hand = new Hand(60_000, () => undefined);
    hand.put(['a', 'b']);
    assert.deepEqual(hand.drawOld(true), ['a', 'b']);
    assert.equal(hand.size, 0);
    hand.clear();
  });

  it('that was cleared tells nothing any more', async () => {
    let told = 0;
    const hand = new Hand(1, () => {
      told += 1;
    });
    hand.put(['a']);
    hand.clear();
    // A timer that is made later and is due later than the hand's would have been.
    await new Promise((resolve) => setTimeout(resolve, 10));
    assert.deepEqual([told, hand.size], [0, 0]);
  });
});
