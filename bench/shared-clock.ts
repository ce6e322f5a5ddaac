/** The clock that all processes of a machine share. */

/** Ms since 1970 with fractions; comparable between processes to some 0.01 ms. */
export function nowMs(): number {
  return performance.timeOrigin + performance.now();
}
