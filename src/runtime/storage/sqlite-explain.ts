/** What the ways in which a file can fail mean for the user of a queue: an error of the runtime, with one clear line. */
import { HueyException, StorageFull, StorageRefused, StorageUnavailable } from '../errors.js';
import { COMMAND_TIMEOUT_MS, SECOND_MS } from '../limits.js';
import { SqlError } from './sqlite-driver.js';

/** @param outcomeUnknown whether the transaction may have been committed. Gives other errors as they are. */
export function explain(error: unknown, filename: string, outcomeUnknown: boolean): unknown {
  if (error instanceof HueyException) return error;
  const code = (error as NodeJS.ErrnoException | undefined)?.code;
  if (typeof code === 'string' && /^E(ACCES|PERM|ROFS|NOTDIR|EXIST|NAMETOOLONG)$/.test(code)) {
    return new StorageRefused(`the folder of ${filename} cannot be made (${code}): create it, or give this user the right to`);
  }
  if (!(error instanceof SqlError)) return error;
  switch (error.kind) {
    case 'busy':
      return new StorageUnavailable(
        `${filename} was locked by another process for ${COMMAND_TIMEOUT_MS / SECOND_MS} s; try again, and look for a program that keeps a transaction open`,
      );
    case 'full':
      return new StorageFull(`there is no room left on the disk of ${filename}: nothing was stored`);
    case 'damaged':
      return new StorageRefused(`${filename} is not a SQLite database, or it is damaged (${error.message}): move it away or restore it`);
    case 'readonly':
    case 'cannot-open':
      return new StorageRefused(
        `${filename} cannot be opened for writing (${error.message}): check that this user may write the file and its folder`,
      );
    case 'io':
      return new StorageUnavailable(`the disk of ${filename} failed (${error.message})`, { outcomeUnknown });
    case 'other':
      return new StorageUnavailable(`SQLite refused a statement on ${filename}: ${error.message}`, { outcomeUnknown });
    default:
      return error.kind satisfies never;
  }
}
