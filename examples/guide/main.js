/** The main program of the guide: asks for a number, enqueues one call, and ends. */
// main.js
import { createInterface } from 'node:readline/promises';
import { countBeans } from './tasks.js'; // our task

const terminal = createInterface(process.stdin, process.stdout);
const beans = await terminal.question('How many beans? ');
terminal.close();

await countBeans(Number(beans));
console.log(`Enqueued a call to count ${beans} beans`);
