/** The folder of this project, wherever the tests were compiled to. */
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

export function projectRoot(): string {
  for (let folder = path.dirname(fileURLToPath(import.meta.url)); ; folder = path.dirname(folder)) {
    if (isProject(folder)) return folder;
    // Compiled to somewhere else: then the tests run in the project.
    if (folder === path.dirname(folder)) return process.cwd();
  }
}

function isProject(folder: string): boolean {
  const file = path.join(folder, 'package.json');
  return existsSync(file) && readFileSync(file, 'utf8').includes('"name": "huey-runtime"');
}
