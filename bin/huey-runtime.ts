#!/usr/bin/env node
/**
 * The command's entry. Where a consumer will run, its first thread starts now and comes up on another core while this one
 * reads the rest of the command (bin/main.ts).
 */
import { warmThread } from '../src/actors/pool.js';
import { hidePasswords } from './process-title.js';

hidePasswords(process.argv.slice(2));

const [first = '--help'] = process.argv.slice(2);
const isConsumer = first.startsWith('-') ? !/^(-h|--help|--version)$/.test(first) : /[./]/.test(first);
// Other arguments of node, or limits, for the threads make the warm one useless.
const isPlain =
  process.env['HUEY_IMPORT'] === undefined &&
  process.env['HUEY_MAX_MEMORY_PER_WORKER'] === undefined &&
  !process.argv.some((word) => /^--(import|max-memory)/.test(word));
if (isConsumer && isPlain) warmThread();

await import('./main.js');
