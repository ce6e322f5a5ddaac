/** The user with few rights, made by the very line that docs/redis.md shows. */
import type { Redis } from 'ioredis';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { projectRoot } from './project-root.js';

export const ACL_USER = 'huey';
export const ACL_PASSWORD = 'swordfish';

/** The words of the line. */
export function aclWords(): string[] {
  const page = readFileSync(path.join(projectRoot(), 'docs/redis.md'), 'utf8');
  const [, block = ''] = /```acl\n([^]*?)```/.exec(page) ?? [];
  const words = block.replace('PASSWORD', ACL_PASSWORD).trim().split(/\s+/);
  if (words[0] !== 'ACL') throw new Error('docs/redis.md shows no ACL');
  return words;
}

export async function makeAclUser(admin: Redis): Promise<void> {
  const [command = '', ...words] = aclWords();
  await admin.call(command, ...words);
}

/** What was refused to this user, as the server noted it. */
export async function refusedByAcl(admin: Redis): Promise<string[]> {
  const entries = (await admin.call('ACL', 'LOG')) as string[][];
  return entries.map((entry) => entry.map(String).join(' '));
}
