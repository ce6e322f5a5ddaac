/** What becomes of one task, whatever its bytes are: what cannot be read, or would make a call that no storage takes, is put aside. */
import { errorInfo } from '../runtime/error-data.js';
import { buryUnreadable, decide, type Decision, type DecisionContext, type Outcome } from '../runtime/lifecycle.js';
import type { Message } from '../runtime/message.js';
import type { PayloadCodec } from '../runtime/payload-codec.js';
import { checkTransition } from '../runtime/storage/checks.js';

export function safeDecision(
  text: string,
  outcome: Outcome,
  context: DecisionContext & { codec: PayloadCodec },
): { message?: Message; decision: Decision } {
  let message: Message | undefined;
  try {
    message = context.codec.decodeMessage(text);
    const decision = decide(text, message, outcome, context);
    // Such a call would end this consumer, and the next one that leases the task.
    checkTransition(decision.transition);
    return { message, decision };
  } catch (error) {
    const decision = buryUnreadable(text, errorInfo(error).message);
    return message === undefined ? { decision } : { message, decision };
  }
}
