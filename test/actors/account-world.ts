/** A queue whose tasks are those of fixtures/account-tasks. */
import type { Cleanup } from '../support/temp-dir.js';
import { ConsumerWorld, fixtureUrl, type Journal, type StorageKind } from './consumer-world.js';

type Tasks = typeof import('../fixtures/account-tasks.js');

export interface AccountWorld {
  world: ConsumerWorld;
  tasks: Tasks & { module: URL };
  journal: Journal;
}

/** `journal`: the post-execute hook writes into it. */
export async function accountTasks(t: Cleanup, kind: StorageKind, { journal = false } = {}): Promise<AccountWorld> {
  const world = await ConsumerWorld.make(t, { kind });
  const module = fixtureUrl('account-tasks', world.queue, world.url);
  const notes = world.journal('accounts');
  if (journal) module.searchParams.set('journal', notes.file);
  const tasks = (await import(module.href)) as Tasks;
  t.after(() => tasks.huey.close());
  return { world, tasks: { ...tasks, module }, journal: notes };
}
