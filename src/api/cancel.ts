/** Canceling from wherever a Huey is: the walk through the storage, and the news of what ended by it. */
import { cancelInvocation, type CancelContext } from '../runtime/canceling.js';
import type { Message } from '../runtime/message.js';
import type { ProducerStorage } from '../runtime/storage.js';
import { taskEvent } from './event.js';
import { EventPublisher } from './events.js';

export interface CancelOptions extends CancelContext {
  /** It had not started, and has ended here: no worker tells of it. */
  onCanceled?: ((message: Message) => void | Promise<void>) | undefined;
}

/** True where it will end as canceled; false where it had ended, or nobody knows it. */
export async function cancel(storage: ProducerStorage, id: string, { onCanceled, ...context }: CancelOptions): Promise<boolean> {
  const { canceled, ended } = await cancelInvocation(storage, id, context);
  if (ended === undefined) return canceled;
  const publisher = new EventPublisher(storage);
  publisher.publish(() => taskEvent('canceled', ended, Date.now()));
  await publisher.idle();
  await onCanceled?.(ended);
  return canceled;
}
