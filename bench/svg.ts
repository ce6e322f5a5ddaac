/** A bar chart of the medians, written by hand: one block per scenario and metric, whiskers from the minimum to the maximum. */
import { machineLines } from './machine.js';
import { shortNumber, type Report } from './report.js';
import type { Measured, Metric } from './rounds.js';

const WIDTH = 860;
const LABEL_WIDTH = 190;
const BAR_WIDTH = 480;
const ROW = 22;
/** Of a scenario, and of a metric. */
const TITLE = 26;
const HEAD = 22;
const TOP = 56;
const OURS = '#3b6fd4';
const OTHERS = '#b9bfc9';

export function barChart(report: Report): string {
  const parts: string[] = [];
  let y = TOP;
  for (const { name, title, metrics, measured } of report.scenarios) {
    const shown: string[] = [];
    let endY = y + TITLE;
    for (const metric of metrics) {
      const block = bars(measured, metric, endY + HEAD);
      if (block === undefined) continue;
      const what = metrics.length > 1 ? `${metric.name}, ${metric.unit}` : metric.unit;
      shown.push(text(LABEL_WIDTH, endY + 14, `${what}; ${metric.better} is better`, 'u'), block.svg);
      endY = block.endY;
    }
    if (shown.length === 0) continue;
    parts.push(text(0, y + 18, `${name}: ${title}`, 'h'), ...shown);
    y = endY + 10;
  }
  const header = machineLines(report.machine).map((line, i) => text(0, 16 + i * 16, line, 's'));
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="-10 0 ${WIDTH + 20} ${y + 10}" font-family="sans-serif" font-size="12">
<style>text{fill:#222}.h{font-weight:bold}.u{fill:#666}.s{fill:#666}.l{text-anchor:end}
@media (prefers-color-scheme:dark){text{fill:#ddd}.u,.s{fill:#999}}</style>
${[...header, ...parts].join('\n')}
</svg>
`;
}

function bars(measured: readonly Measured[], metric: Metric, top: number): { svg: string; endY: number } | undefined {
  const shown = measured.flatMap((mine) => {
    const spread = mine.spreads[metric.name];
    return spread === undefined ? [] : [{ label: mine.label, spread, isOurs: mine.name.startsWith('huey') }];
  });
  const most = Math.max(...shown.map(({ spread }) => spread.max));
  if (shown.length === 0 || !(most > 0)) return undefined;
  const scale = BAR_WIDTH / most;
  const rows = shown.map(({ label, spread, isOurs }, i) => {
    const y = top + i * ROW;
    const middle = y + ROW / 2 - 2;
    const [low, end, high] = [spread.min, spread.median, spread.max].map((value) => LABEL_WIDTH + value * scale);
    return [
      text(LABEL_WIDTH - 8, y + 13, label, 'l'),
      `<rect x="${LABEL_WIDTH}" y="${y + 1}" width="${fixed((end ?? 0) - LABEL_WIDTH)}" height="${ROW - 6}" fill="${isOurs ? OURS : OTHERS}"/>`,
      `<line x1="${fixed(low)}" x2="${fixed(high)}" y1="${middle}" y2="${middle}" stroke="#222" stroke-opacity=".6"/>`,
      text(Math.max(end ?? 0, high ?? 0) + 6, y + 13, shortNumber(spread.median), 'n'),
    ].join('');
  });
  return { svg: rows.join('\n'), endY: top + shown.length * ROW };
}

function text(x: number, y: number, content: string, kind: string): string {
  return `<text x="${fixed(x)}" y="${y}" class="${kind}">${escape(content)}</text>`;
}

function fixed(value: number | undefined): string {
  return (value ?? 0).toFixed(1);
}

function escape(content: string): string {
  return content.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
