/** What a transaction did that somebody in this process has to be told when it is committed. */

export class Effects {
  /** Whether anybody wants to hear of ends; if not, they are not collected. */
  watching = false;
  ended: { id: string; record: string; endsAt: number }[] = [];
  /** Something can be leased that could not before. */
  grew = false;
  /** Something was canceled that is in flight. */
  canceled = false;
  /** Consumers were asked to reload. */
  reload = false;
  /** Something is due earlier than everything before. */
  earlier = false;
  /** There are events for listeners. */
  published = false;

  clear(): void {
    this.ended = [];
    this.grew = this.canceled = this.reload = this.earlier = this.published = false;
  }
}
