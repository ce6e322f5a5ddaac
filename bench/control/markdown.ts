/** Results as tables for a document. */
import { machineLines } from '../machine.js';
import { figureText, type Report, type ScenarioReport } from '../report.js';

export function markdown(report: Report): string {
  const head = machineLines(report.machine).map((line) => `- ${line}`);
  if (report.quick) head.push('- with `--quick`: the figures say nothing');
  return [head.join('\n'), ...report.scenarios.map(scenarioTable)].join('\n\n') + '\n';
}

function scenarioTable({ name, title, metrics, measured, notes }: ScenarioReport): string {
  const rows = [
    ['', ...measured.map(({ label }) => label)],
    ['---', ...measured.map(() => '---:')],
    ...metrics.map((metric) => [`${metric.name}, ${metric.unit}`, ...measured.map((mine) => figureText(mine, metric))]),
  ];
  const errors = measured.flatMap(({ label, errors: list }) => list.map((error) => `ERROR ${label}, ${error}`));
  const lines = [...errors, ...notes].map((text) => `- ${cell(text)}`);
  return [
    `### ${name}`,
    '',
    `${title}.`,
    '',
    ...rows.map((row) => `| ${row.map(cell).join(' | ')} |`),
    ...(lines.length > 0 ? ['', ...lines] : []),
  ].join('\n');
}

/** A line of its own or a cell: no text breaks the table. */
function cell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll(/\s+/g, ' ');
}
