/** Calls that are kept from starting, and one that is not after all. */
// cancel.js
import { TaskRevoked } from 'huey-runtime';
import { countBeans } from './tasks.js';

const res = await countBeans.schedule({ args: [10_000_000], delay: 60 });
await res.revoke();
console.log(await res.isRevoked());

// As long as it has not been skipped, we may change our minds.
const other = await countBeans.schedule({ args: [100], delay: 60 });
await other.revoke();
await other.restore();
console.log(await other({ blocking: true }));

// Who waits for a call that was revoked is told.
const error = await res({ blocking: true }).catch((reason) => reason);
console.log(error instanceof TaskRevoked);

// Every call of a task:
await countBeans.revoke();
console.log(await countBeans.isRevoked());

const never = await countBeans(100);
console.log(await never.isRevoked());
await never({ blocking: true }).catch(() => console.log('it was skipped'));

await countBeans.restore();
console.log(await countBeans.isRevoked());
