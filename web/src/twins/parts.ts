import { tooltip, valueAxis, whiskers } from '../axes';
import { paragraph, tableBox, undefinedBox } from '../dom';
import { interval, kMissing, num, percent } from '../format';
import type { Cell } from '../format';
import { addPlot } from '../plot';
import type { Section } from '../sections/section';
import { series } from '../theme';
import { partName } from './record';
import type { Part, TwinRecord } from './record';

function plot(body: HTMLElement, parts: Part[]): void {
  const worst = [...parts].sort((a, b) => a.rank - b.rank).slice(0, 2).map(partName);
  addPlot(body, {
    id: 'parts',
    title: 'Damage of each part alone',
    how: 'Height is the KL divergence (nats per token) between the original and the original with that one part taken from the other model; whiskers are 90% intervals over documents.',
    label: `Damage of ${parts.length} parts; the largest are ${worst.join(' and ')}. The values are in the data table.`,
    height: () => 300,
    option: ({ theme, width }) => ({
      grid: { left: 70, right: 14, top: 14, bottom: 66 },
      xAxis: { type: 'category', data: parts.map(partName), axisLabel: { color: theme.faint, rotate: parts.length > 10 || width < 500 ? 60 : 0, hideOverlap: true }, axisLine: { lineStyle: { color: theme.faint } } },
      yAxis: valueAxis(theme, { name: 'KL (nats)', nameLocation: 'middle', nameGap: 54, nameTextStyle: { color: theme.faint }, axisLabel: { color: theme.faint, formatter: (v: number) => num(v) } }),
      tooltip: tooltip(theme, { formatter: (p: { dataIndex: number }) => { const part = parts[p.dataIndex]; return part === undefined ? '' : `${partName(part)}: ${num(part.kl_nats.mean, 4)} nats, rank ${part.rank}`; } }),
      series: [
        { type: 'bar', data: parts.map((p) => p.kl_nats.mean), itemStyle: { color: series(0, theme) } },
        whiskers(parts.flatMap((p, x) => (p.kl_nats.interval_90.lo === null || p.kl_nats.interval_90.hi === null ? [] : [{ x, lo: p.kl_nats.interval_90.lo, hi: p.kl_nats.interval_90.hi }])), theme.text),
      ] as never,
    }),
    table: () => ({
      columns: ['part', 'kl_nats', 'se', 'lo_90', 'hi_90', 'delta_nll_nats', 'share', 'rank'],
      rows: parts.map((p): Cell[] => [partName(p), p.kl_nats.mean, p.kl_nats.standard_error, p.kl_nats.interval_90.lo, p.kl_nats.interval_90.hi, p.delta_nll_nats.mean, p.share, p.rank]),
    }),
  });
}

export const parts: Section<TwinRecord> = {
  id: 'parts',
  title: 'Which part does the damage',
  render(record, body) {
    const f = record.findings;
    if (f.parts.every((p) => p.kl_nats.mean === null)) {
      body.append(undefinedBox('Damage by part', ['no document has a value']));
      return;
    }
    if (f.parts.some((p) => (p.kl_nats.mean ?? 0) > 0)) plot(body, f.parts);
    else body.append(paragraph('No part does any damage.'));
    body.append(tableBox({
      columns: ['rank', 'part', 'KL alone (nats)', '90% interval', 'share of the sum', 'change of NLL (nats)'],
      rows: [...f.parts].sort((a, b) => a.rank - b.rank).map((p): Cell[] => [p.rank, partName(p), p.kl_nats.mean, interval(p.kl_nats.interval_90), percent(p.share), p.delta_nll_nats.mean]),
    }, 'Damage of each part, the largest first'));
    body.append(paragraph(`Everything at once: ${num(f.lane_kl_nats.mean)} nats (90% ${interval(f.lane_kl_nats.interval_90)}); sum of the parts: ${num(f.sum_of_parts_nats)} nats; additivity, their ratio: ${f.additivity.mean === null ? kMissing : num(f.additivity.mean)} (1: the damages add up).`));
  },
};
