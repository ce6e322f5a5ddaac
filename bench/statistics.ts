/** What is said about several runs of one thing: medians, quantiles, and ratios pair by pair. */

export interface Spread {
  median: number;
  min: number;
  max: number;
  /** How many runs there were. */
  count: number;
}

/** @throws RangeError where there is nothing to describe. */
export function spreadOf(values: readonly number[]): Spread {
  const sorted = sortedCopy(values);
  return { median: quantile(values, 0.5), min: at(sorted, 0), max: at(sorted, sorted.length - 1), count: sorted.length };
}

export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

/** Linear between the two nearest values, as numpy does it. `share` is 0 to 1. @throws RangeError where there is no value. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = sortedCopy(values);
  const position = (sorted.length - 1) * share;
  const low = at(sorted, Math.floor(position));
  const high = at(sorted, Math.ceil(position));
  return low + (high - low) * (position - Math.floor(position));
}

/**
 * Ratios of runs of the same round: what disturbed the machine in a round disturbed both. Rounds in which one of the two
 * has no figure do not count; undefined where none is left.
 */
export function pairRatios(ours: readonly (number | undefined)[], theirs: readonly (number | undefined)[]): Spread | undefined {
  const ratios: number[] = [];
  for (const [round, mine] of ours.entries()) {
    const other = theirs[round];
    if (mine !== undefined && other !== undefined && other !== 0) ratios.push(mine / other);
  }
  return ratios.length === 0 ? undefined : spreadOf(ratios);
}

function sortedCopy(values: readonly number[]): number[] {
  if (values.length === 0) throw new RangeError('no values to describe');
  return [...values].sort((a, b) => a - b);
}

function at(values: readonly number[], index: number): number {
  const value = values[index];
  if (value === undefined) throw new RangeError(`no value at ${index}`);
  return value;
}
