/**
 * Loaded before everything else, in a process and in all its threads (`node --import`): its wall clock is wrong by
 * HUEY_FAULTS_CLOCK_OFFSET_MS from the beginning. Monotonic time is left alone, as on a machine whose date is wrong.
 */
const offsetMs = Number(process.env['HUEY_FAULTS_CLOCK_OFFSET_MS'] ?? 0);
const TrueDate = Date;

class MovedDate extends TrueDate {
  static override now(): number {
    return TrueDate.now() + offsetMs;
  }

  constructor(...given: unknown[]) {
    // The overloads of Date cannot be spread.
    super(...((given.length === 0 ? [MovedDate.now()] : given) as [number]));
  }
}

globalThis.Date = MovedDate as DateConstructor;
