/** What a verb did that others have to be told when it is through. */
import type { ResultRecord } from '../completion.js';

/** Who is told what happens; one for each storage that looks at this queue. */
export interface MemoryWatcher {
  ended(ended: readonly { id: string; record: ResultRecord }[]): void;
  /** Something is due earlier than everything before. */
  scheduledEarlier(): void;
  /** These were canceled while they were in flight. */
  canceled(ids: readonly string[]): void;
  /** Consumers were asked to reload, so often by now. */
  reload(count: number): void;
  /** Something can be leased. */
  becameReady(): void;
  /** Whether it wants to hear of events. */
  readonly wantsEvents: boolean;
  events(events: readonly string[]): void;
}

export class MemoryNews {
  readonly watchers = new Set<MemoryWatcher>();
  /** How often consumers were asked to reload. */
  reloads = 0;
  ended: { id: string; record: ResultRecord }[] = [];
  canceled: string[] = [];
  earlier = false;
  grew = false;

  tell(): void {
    const { ended, canceled, earlier, grew } = this;
    this.ended = [];
    this.canceled = [];
    this.earlier = this.grew = false;
    for (const watcher of this.watchers) {
      if (ended.length > 0) watcher.ended(ended);
      if (canceled.length > 0) watcher.canceled(canceled);
      if (earlier) watcher.scheduledEarlier();
      if (grew) watcher.becameReady();
    }
  }

  reload(): void {
    this.reloads += 1;
    for (const watcher of this.watchers) watcher.reload(this.reloads);
  }

  get eventsWanted(): boolean {
    return [...this.watchers].some(({ wantsEvents }) => wantsEvents);
  }

  publish(events: readonly string[]): void {
    if (events.length === 0) return;
    for (const watcher of this.watchers) if (watcher.wantsEvents) watcher.events([...events]);
  }
}
