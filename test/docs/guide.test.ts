/** The guide shows no code that is not run: each block stands in the file that it names, and the chapters are those of Huey. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import { GUIDE_FILES } from '../guide/reader.js';
import { projectRoot } from '../support/project-root.js';

const guide = readFileSync(path.join(projectRoot(), 'docs/guide.md'), 'utf8');
const blocks = [...guide.matchAll(/```(\w*)\n([^]*?)```/g)].map(([, language = '', text = '']) => ({ language, text }));
const code = blocks.filter(({ language }) => language !== 'sh' && language !== 'text');

describe('docs/guide.md', () => {
  it('has the chapters of the guide, in order', () => {
    const chapters = [...guide.matchAll(/^## (.*)$/gm)].map(([, title]) => title);
    assert.deepEqual(chapters, [
      'Getting started',
      'Getting results',
      'Executing tasks in the future',
      'Retrying tasks that fail',
      'Executing tasks at regular intervals',
      'Canceling or pausing tasks',
      'Task pipelines',
      'Locking tasks',
    ]);
  });

  it('shows code that stands in a file of examples/guide, as it stands there', () => {
    assert.ok(code.length > 20);
    for (const { language, text } of code) {
      assert.equal(language, 'js', text);
      const [, file = '', snippet = ''] = /^\/\/ (\S+)\n([^]*)$/.exec(text) ?? [];
      const whole = GUIDE_FILES[file];
      assert.ok(whole !== undefined, `a block begins with the name of its file: ${text}`);
      // Paragraphs: what stands between two of them in the file may be left out.
      for (const part of snippet.trim().split(/\n\n/)) {
        for (const lines of part.startsWith('import ') ? part.split('\n') : [part])
          assert.ok(whole.includes(lines), `${file} has:\n${lines}`);
      }
    }
  });

  it('shows what a script prints, for every script that prints something', () => {
    const shown = [...guide.matchAll(/```sh\nnode (\S+)\n```\n\n```text\n/g)].map(([, file]) => file);
    const printing = Object.entries(GUIDE_FILES).filter(([file, text]) => isScript(file) && text.includes('console.log'));
    // What watch.js prints depends on what happens.
    assert.deepEqual(
      shown.sort(),
      printing
        .map(([file]) => file)
        .filter((file) => file !== 'watch.js')
        .sort(),
    );
  });

  it('uses every file of examples/guide', () => {
    for (const file of Object.keys(GUIDE_FILES)) assert.ok(guide.includes(`// ${file}\n`), file);
  });
});

function isScript(file: string): boolean {
  return !['config.js', 'tasks.js', 'quiet.js'].includes(file);
}
