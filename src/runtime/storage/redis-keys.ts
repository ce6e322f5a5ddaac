/**
 * Every key and channel of a queue. All carry the queue's hash tag, so that one script can reach them in a cluster.
 * The scripts (redis-scripts.ts) build the same names from the prefix.
 *
 *     ready                list    messages of priority 0; also '' = a ring that wakes a waiting consumer
 *     hi, lo               zset    messages of other priorities; score = -priority * 2^40 + arrival
 *     suspects             list    messages that must run alone
 *     scheduled            zset    messages; score = due, ms since 1970 by the server's clock
 *     consumers            zset    consumer; score = end of its lease
 *     instances            hash    name of an instance -> consumer
 *     inflight:CONSUMER    hash    id -> message
 *     packs:CONSUMER       hash    receipt of a chunk -> its messages in one text, while nothing was said of one of them (redis-held-lua.ts)
 *     landing:CONSUMER     list    at most one message that BLMOVE brought
 *     lanes:CONSUMER       hash    lane -> the last reply, receipts and ids only; receipt of a pack that was taken apart -> its ids
 *     clock                hash    last (heartbeat of anybody), awake (since when somebody was heard without a gap), marks, cancels (how far they are swept), reloads (how often consumers were asked to)
 *     arrivals             hash    back, front: counters of arrival for hi and lo; parked: of turns
 *     marks                hash    'i:'ID or 't:'TASK -> until (13 digits, 0 = always), once (0 or 1), when it is forgotten (as until)
 *     cancels              hash    id -> when it is forgotten (13 digits), of an invocation that is canceled and has not ended
 *     far                  hash    id -> due, of what is scheduled so late that a mark on it must last longer than others
 *     holders              hash    id -> key of the slot that it has, of a keyed message in flight
 *     slots, limits        hash    key -> slots that are taken; key -> how many there are
 *     parked               hash    id -> turn (21 digits), message, of those that wait for a slot
 *     line                 zset    all of score 0: key, blank, turn, blank, id, of those that are parked
 *     turns                hash    id -> turn, of those that were parked and have not been leased since
 *     ticks                hash    task -> newest minute recorded
 *     dead, dead-at        hash    id -> at (13 digits), reason, line break, bytes; zset of the times
 *     alien                hash    sha1 of a message of unknown version -> first seen
 *     ids:BUCKET           string  bitmap of the ids of a bucket that were enqueued; of an id of one's own: '1'
 *     result:BUCKET        hash    number in the bucket, or id -> expiry (13 digits), record
 *     done:BUCKET          channel id, line break, record or nothing, line break, ...
 *     unique               hash    key -> until (13 digits), id
 *     locks                hash    name -> JSON
 *     keys                 hash    key -> JSON text
 *     rate:NAME            string  calls in the window, which is its life
 *     chord:ID             hash    size, callback, n, c0, c1, ...
 *     note:KIND:ID         string  progress or log of a task
 *     events               channel JSON list of events
 *     control              channel 's': something was scheduled earlier than what was known; 'e': somebody listens to events;
 *                                  'c'ID: canceled while it was in flight; 'r'COUNT: consumers shall reload
 */
import { bucketOf } from '../ids.js';

export class RedisKeys {
  /** `huey:{queue}:` */
  readonly prefix: string;
  readonly ready: string;
  readonly control: string;
  readonly events: string;

  constructor(queue: string) {
    this.prefix = `huey:{${queue}}:`;
    this.ready = `${this.prefix}ready`;
    this.control = `${this.prefix}control`;
    this.events = `${this.prefix}events`;
  }

  inflight(consumer: string): string {
    return `${this.prefix}inflight:${consumer}`;
  }

  packs(consumer: string): string {
    return `${this.prefix}packs:${consumer}`;
  }

  landing(consumer: string): string {
    return `${this.prefix}landing:${consumer}`;
  }

  /** The channel that tells of the end of this id. */
  done(id: string): string {
    return `${this.prefix}done:${bucketOf(id)}`;
  }
}
