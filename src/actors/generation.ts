/**
 * The threads of the next code, from the request to reload until they take over: counts who has loaded the module, and
 * fails as a whole where one cannot, so that there is never half a crew of each code.
 */
import { HueyException } from '../runtime/errors.js';
import type { ErrorInfo } from '../runtime/lifecycle.js';
import type { Place } from './place.js';
import type { Manifest } from './protocol.js';
import { threadError } from './thread-error.js';

export class Generation {
  readonly #places = new Set<Place>();
  readonly #loaded = new Set<Place>();
  #manifest: Manifest | undefined;
  #failure: Error | undefined;
  #wake: () => void = () => undefined;

  get places(): ReadonlySet<Place> {
    return this.#places;
  }

  add(place: Place): void {
    this.#places.add(place);
  }

  has(place: Place): boolean {
    return this.#places.has(place);
  }

  /** One of them has loaded the module. */
  ready(place: Place, manifest: Manifest): void {
    this.#manifest = manifest;
    this.#loaded.add(place);
    this.#wake();
  }

  unloadable(error: ErrorInfo): void {
    this.fail(threadError(error));
  }

  /** One of them is gone before they took over. */
  gone(place: Place, reason: string): void {
    this.#places.delete(place);
    this.fail(new HueyException(`a thread of the new code died before it took over: ${reason}`, 'false-start'));
  }

  /** The first reason counts. */
  fail(error: Error): void {
    this.#failure ??= error;
    this.#wake();
  }

  /** Resolves when all that were added have loaded the module, with what the last one found. One caller at a time. */
  async loaded(): Promise<Manifest> {
    for (;;) {
      if (this.#failure !== undefined) throw this.#failure;
      if (this.#manifest !== undefined && this.#loaded.size >= this.#places.size) return this.#manifest;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}
