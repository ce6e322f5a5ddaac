/** The handles of a chord: its members, its callback, and the stages behind that. */
import type { Client } from './client.js';
import type { BlockingGetOptions, GetOptions, Result, Stored } from './result.js';
import { makeResultGroup, type ResultGroup } from './result-group.js';

type First<T extends readonly unknown[]> = T extends readonly [infer H, ...unknown[]] ? H : T[number];

/** `Values`: what the members return. `Rs`: what the callback and the stages behind it return. */
export class ChordResult<Values extends readonly unknown[] = readonly unknown[], Rs extends readonly unknown[] = readonly unknown[]> {
  /** Of the members, in order: of a pipeline's last stage, of a chord's callback or what follows it. */
  readonly results: ResultGroup<Values>;
  readonly callback: Result<First<Rs>>;
  /** Of the callback and the stages behind it. */
  readonly pipelineResults: ResultGroup<Rs>;

  constructor(client: Client, members: readonly Result<unknown>[], callback: readonly [Result<unknown>, ...Result<unknown>[]]) {
    this.results = makeResultGroup(client, members);
    this.callback = callback[0] as Result<First<Rs>>;
    this.pipelineResults = makeResultGroup(client, callback);
  }

  /** The id of the callback. */
  get id(): string {
    return this.callback.id;
  }

  /** What the callback returned, see `Result.get`. */
  get(options: BlockingGetOptions): Promise<Stored<First<Rs>>>;
  get(options?: GetOptions): Promise<Stored<First<Rs>> | undefined>;
  get(options?: GetOptions): Promise<Stored<First<Rs>> | undefined> {
    return this.callback.get(options);
  }

  /** True once the callback has ended. */
  isReady(): Promise<boolean> {
    return this.callback.isReady();
  }
}
