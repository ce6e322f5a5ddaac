/** Loads a peer from the folder it was installed into. What comes out is described by the interfaces of each system. */
import { createRequire } from 'node:module';
import path from 'node:path';
import { ENV } from './protocol.js';

/** `T` is what this project uses of the module. @throws Error where it is not installed. */
export function loadPeer<T>(name: string): T {
  return createRequire(path.join(peersFolder(), 'package.json'))(name) as T;
}

export function peersFolder(): string {
  const folder = process.env[ENV.peers];
  if (folder === undefined) throw new Error(`${ENV.peers} is not set: systems are started by the harness`);
  return folder;
}

/** Host and port of the server, for clients that take no URL. */
export function serverAddress(): { host: string; port: number } {
  const { hostname, port } = new URL(process.env[ENV.url] ?? '');
  return { host: hostname, port: Number(port) };
}
