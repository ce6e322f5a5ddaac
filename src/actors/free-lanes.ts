/** Which lanes may be given a chunk, in the order in which they should be, and of how many tasks. */
import type { Pace } from './chunk-sizer.js';
import type { Lane } from './lane.js';
import type { Place } from './place.js';
import { isStuck } from './watchdog.js';

export interface FreeLane {
  place: Place;
  lane: Lane;
  /** Seats that are free there before this lane gets something; 0 or less: what it gets waits behind what runs. */
  room: number;
}

export interface FreeLanes {
  lanes: FreeLane[];
  /** Tasks for each of them, at most. */
  size: number;
}

/** Lanes of places with free seats first, evenly; then, where tasks are quick, lanes behind. */
export function freeLanes(places: Iterable<Place>, pace: Pace, now: number): FreeLanes {
  const first: FreeLane[] = [];
  const behind: FreeLane[] = [];
  const open: { place: Place; room: number }[] = [];
  for (const place of places) {
    // What would be taken back from it at once is better left to others.
    if (!place.ready || place.alone || isStuck(place, now)) continue;
    if (place.seats === 1) addLanes(place, pace.ahead, first, behind);
    else open.push({ place, room: place.seats - outstanding(place) });
  }
  const size = open.length === 0 ? pace.size : sizeFor(open, pace);
  for (const { place, room } of open) addSeats(place, room, size, behindSeats(place, size, pace), first, behind);
  // Most room first: what comes is spread over the lanes in their order. With one seat each nothing moves.
  first.sort((one, other) => other.room - one.room);
  return { lanes: pace.ahead > 0 ? first.concat(behind) : first, size };
}

/** How many chunks to ask for, where calls under way were made for some of these lanes. */
export function chunksToAsk({ lanes, size }: FreeLanes, underWay: Iterable<{ chunks: number; chunkSize: number }>): number {
  const several = (lanes[0]?.place.seats ?? 1) > 1;
  let promised = 0;
  for (const { chunks, chunkSize } of underWay) promised += several ? chunks * (chunkSize / size) : chunks;
  return Math.max(0, lanes.length - Math.ceil(promised));
}

/** Something more would start there at once. */
export function hasRoom(place: Place): boolean {
  if (!place.ready || place.alone || place.blocked) return false;
  return place.seats === 1 ? place.idle : outstanding(place) < place.seats;
}

/** No more than have a seat, where tasks are not so quick that some may wait. */
function sizeFor(open: readonly { room: number }[], { size, ahead }: Pace): number {
  return ahead > 0 ? size : open.reduce((least, { room }) => (room > 0 ? Math.min(least, room) : least), size);
}

/** One task at a time: one lane of an idle place, and as many behind what runs as may wait there. */
function addLanes(place: Place, ahead: number, first: FreeLane[], behind: FreeLane[]): void {
  const free = place.lanes.filter((lane) => !lane.busy);
  const taken = place.lanes.length - free.length;
  for (const [i, lane] of free.entries()) {
    const before = taken + i;
    if (before === 0) first.push({ place, lane, room: 1 });
    else if (before <= ahead) behind.push({ place, lane, room: 0 });
  }
}

/**
 * How many tasks may wait for seats. Where they are known to be quick as many as have one: a seat that waits for the next call of the
 * storage to give it something would stand empty for a third of the time.
 */
function behindSeats({ seats }: Place, size: number, { ahead, known }: Pace): number {
  if (ahead === 0) return 0;
  return known ? Math.max(seats, size) : size;
}

/** Several at a time: as many chunks as it takes to fill the seats, and those that may wait. */
function addSeats(place: Place, seats: number, size: number, waiting: number, first: FreeLane[], behind: FreeLane[]): void {
  let room = seats;
  for (const lane of place.lanes) {
    if (room <= -waiting) return;
    if (lane.busy) continue;
    (room > 0 ? first : behind).push({ place, lane, room });
    room -= size;
  }
}

function outstanding({ lanes }: Place): number {
  return lanes.reduce((sum, lane) => sum + (lane.busy ? lane.outstanding() : 0), 0);
}
