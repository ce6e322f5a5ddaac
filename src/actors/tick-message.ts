/** The message of one tick of a periodic task. */
import { Envelope } from '../api/envelope.js';
import type { PayloadCodec } from '../runtime/payload-codec.js';
import type { TaskManifest } from '../runtime/registry.js';

export function tickMessage({ name, settings }: TaskManifest, id: string, minuteMs: number, now: number, codec: PayloadCodec): string {
  return new Envelope(name, settings, { tick: minuteMs }, codec).text(id, [], now);
}
