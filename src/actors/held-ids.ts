/** The ids that a consumer knows that it holds: for the comparison with what the storage has in flight for it. */
import { decodeCompletions } from '../runtime/completion.js';
import { idOf } from '../runtime/message.js';
import type { Place } from './place.js';
import type { StepWork } from './step-calls.js';

/** `kept` are texts that no lane has, `settled` what calls carry, or will. */
export function heldIds(
  places: Iterable<Place>,
  kept: readonly string[],
  settled: readonly Pick<StepWork, 'transitions' | 'completions'>[],
): Set<string> {
  const ids = new Set<string>();
  for (const place of places) {
    for (const lane of place.lanes) for (let slot = 0; slot < lane.count; slot++) ids.add(idOf(lane.message(slot)));
  }
  for (const text of kept) ids.add(idOf(text));
  for (const { transitions, completions } of settled) {
    for (const { id } of transitions) ids.add(id);
    for (const bytes of completions) for (const { id } of decodeCompletions(bytes)) ids.add(id);
  }
  return ids;
}
