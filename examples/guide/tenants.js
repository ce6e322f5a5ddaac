/** One tenant with much to do, and one with little. */
// tenants.js
import { huey } from './config.js';
import { sendMail } from './tasks.js';

const customers = Array.from({ length: 10 }, (_, i) => `customer ${i + 1}`);
const many = await huey.enqueueMany(customers.map((one) => sendMail.s('large', one)));
const one = await sendMail('small', 'Ada');

console.log(await one({ blocking: true })); // did not wait for the 10 of the large tenant
console.log((await huey.pendingCount()) > 5); // most of which still wait
const sent = await Promise.all([...many].map((res) => res({ blocking: true })));
console.log(sent.at(-1));
