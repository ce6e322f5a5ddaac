/**
 * What an operator should know of the file that keeps a queue: where it is, what a power cut may take, and whether it is
 * on a network, where the locks and the shared memory of SQLite are not to be trusted.
 */
import { statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Finding } from '../finding.js';

/** Types of file systems as Linux numbers them (statfs(2)). Elsewhere the numbers mean other things, or nothing. */
const ON_A_NETWORK: Readonly<Record<number, string>> = {
  0x6969: 'NFS',
  0x517b: 'SMB',
  0xff534d42: 'CIFS',
  0xfe534d42: 'SMB',
  0x5346414f: 'AFS',
  0x00c36400: 'Ceph',
  0x01021997: '9p',
};

/** @param filename of a database that could be opened with a write-ahead log. */
export async function examineFile(filename: string): Promise<Finding[]> {
  const where: Finding = {
    kind: 'note',
    text: `the queue is kept in ${filename}: a process that is killed loses nothing, a power cut may take back the last transactions`,
  };
  const network = networkOf(await typeOf(dirname(filename)));
  if (network === undefined) return [where];
  const text = `${filename} is on a network file system (${network}), where SQLite cannot rely on locks: with processes on two machines tasks are lost and the file may be damaged; put it on a local disk, or use Redis`;
  return [where, { kind: 'danger', text }];
}

/** undefined: local, or nobody knows. */
export function networkOf(type: number | undefined): string | undefined {
  // The number comes as a signed one on some machines.
  return type === undefined || process.platform !== 'linux' ? undefined : ON_A_NETWORK[type >>> 0];
}

async function typeOf(folder: string): Promise<number | undefined> {
  try {
    return (await statfs(folder)).type;
  } catch {
    return undefined;
  }
}
