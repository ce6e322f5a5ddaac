/**
 * What Piscina loads in a thread. It tries `require` first, and a thread that is ended while `require` links a module
 * ends the whole process (node 20: FATAL ERROR: v8::Module::IsGraphAsync). So what is required is this, which has
 * nothing to link, and the worker actor itself is imported.
 */
const loading = import('./worker.js');

async function session(start: never): Promise<void> {
  const worker = await loading;
  await worker.session(start);
}

export = { session };
