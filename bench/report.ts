/** Results for people (a table) and for programs (JSON). */
import { machineLines, type Machine } from './machine.js';
import type { Measured, Metric, Scenario } from './rounds.js';
import type { Spread } from './statistics.js';

export interface ScenarioReport {
  name: string;
  title: string;
  metrics: readonly Metric[];
  measured: Measured[];
  notes: string[];
}

export interface Report {
  machine: Machine;
  rounds: number;
  n: number;
  quick: boolean;
  scenarios: ScenarioReport[];
}

export function scenarioReport(scenario: Scenario, measured: Measured[], notes: string[]): ScenarioReport {
  return { name: scenario.name, title: scenario.title, metrics: scenario.metrics, measured, notes };
}

/** Whether every run of every contestant that could take part passed its check. */
export function isClean(report: Report): boolean {
  return report.scenarios.every(({ measured }) => measured.every(({ errors }) => errors.length === 0));
}

export function headerText({ machine, rounds, quick, n }: Omit<Report, 'scenarios'>): string {
  const how = `${rounds} ${rounds === 1 ? 'round' : 'rounds'}, interleaved, n = ${n}; median (min to max)`;
  return [...machineLines(machine), quick ? `${how}; --quick: the figures say nothing` : how].join('\n');
}

export function scenarioText({ name, title, metrics, measured, notes }: ScenarioReport): string {
  const ours = measured[0]?.label ?? '';
  const lines = [`\n${name}: ${title}`];
  for (const metric of metrics) {
    const rows = measured.map((mine) => [`  ${mine.label}`, figureText(mine, metric), ratioText(mine.ratios[metric.name], ours)]);
    const heading = metrics.length > 1 ? ` ${metric.name}, ${metric.unit}` : ` ${metric.unit}`;
    lines.push(heading, ...aligned(rows));
  }
  for (const mine of measured) for (const error of mine.errors) lines.push(`  ERROR ${mine.label}, ${error}`);
  return [...lines, ...notes.map((note) => `  (${note})`)].join('\n');
}

/** One figure as it stands in tables. */
export function figureText(mine: Measured, metric: Metric): string {
  if (mine.unavailable !== undefined) return mine.unavailable;
  const spread = mine.spreads[metric.name];
  if (spread === undefined) return mine.errors.length > 0 ? 'failed' : '-';
  if (spread.count === 1) return shortNumber(spread.median);
  return `${shortNumber(spread.median)} (${shortNumber(spread.min)} to ${shortNumber(spread.max)})`;
}

function ratioText(ratio: Spread | undefined, ours: string): string {
  if (ratio === undefined) return '';
  if (ratio.count === 1) return `${ours} is at ${ratioNumber(ratio.median)} x of it`;
  return `${ours} is at ${ratioNumber(ratio.median)} x of it (${ratioNumber(ratio.min)} to ${ratioNumber(ratio.max)})`;
}

function ratioNumber(ratio: number): string {
  return ratio.toFixed(ratio < 0.1 ? 4 : 2);
}

/** Three digits that matter. */
export function shortNumber(value: number): string {
  const size = Math.abs(value);
  if (size >= 1e6) return `${(value / 1e6).toFixed(size >= 1e7 ? 1 : 2)}M`;
  if (size >= 10_000) return `${(value / 1000).toFixed(size >= 100_000 ? 0 : 1)}k`;
  if (size >= 100) return value.toFixed(0);
  if (size >= 10) return value.toFixed(1);
  return value.toFixed(2);
}

function aligned(rows: string[][]): string[] {
  const widths = [0, 1].map((column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  );
}
