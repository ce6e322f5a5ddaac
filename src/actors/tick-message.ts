/** The message of one tick of a periodic task. */
import { Envelope } from '../api/envelope.js';
import type { TaskManifest } from '../runtime/registry.js';

export function tickMessage({ name, settings }: TaskManifest, id: string, minuteMs: number, now: number): string {
  return new Envelope(name, settings, { tick: minuteMs }).text(id, [], now);
}
