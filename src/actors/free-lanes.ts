/** Which lanes may be given a chunk, in the order in which they should be. */
import type { Lane } from './lane.js';
import type { Place } from './place.js';
import { isStuck } from './watchdog.js';

export interface FreeLane {
  place: Place;
  lane: Lane;
}

/** Idle places first, one lane of each; then, where tasks are quick (`ahead`), the lanes behind. */
export function freeLanes(places: Iterable<Place>, ahead: boolean, now: number): FreeLane[] {
  const first: FreeLane[] = [];
  const behind: FreeLane[] = [];
  for (const place of places) {
    // What would be taken back from it at once is better left to others.
    if (!place.ready || place.alone || isStuck(place, now)) continue;
    let list = place.idle ? first : behind;
    for (const lane of place.lanes) {
      if (lane.busy) continue;
      list.push({ place, lane });
      list = behind;
    }
  }
  return ahead ? first.concat(behind) : first;
}
