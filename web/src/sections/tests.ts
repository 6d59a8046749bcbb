import { tooltip, valueAxis } from '../axes';
import { details, h, tableBox, undefinedBox } from '../dom';
import { kMissing, num } from '../format';
import type { Cell } from '../format';
import { addPlot } from '../plot';
import type { CountTest, Detection } from '../record';
import { deciding, detectionName, earlier, finite, headline, unique } from '../record';
import { addRandomTwins } from './random_twins';
import type { Section } from './section';

const kBins = 30;

interface Histogram { test: CountTest; statistic: number; low: number; width: number; counts: number[] }

function bin(test: CountTest): Histogram[] {
  const sample = finite(test.null_sample);
  if (sample.length === 0 || test.statistic === null) return [];
  const span = Math.max(...sample, test.statistic) - Math.min(...sample, test.statistic);
  const low = Math.min(...sample, test.statistic) - 0.03 * span;
  const high = Math.max(...sample, test.statistic) + 0.03 * span;
  const width = (high - low || 1) / kBins;
  const counts = new Array<number>(kBins).fill(0);
  for (const value of sample) {
    const k = Math.min(kBins - 1, Math.floor((value - low) / width));
    counts[k] = (counts[k] ?? 0) + 1;
  }
  return [{ test, statistic: test.statistic, low, width, counts }];
}

function step(test: CountTest): string {
  return test.k_null === 0 ? `any jump against ${test.null_model}` : `more than ${test.k_null} against ${test.k_null}`;
}

function nullPlot(body: HTMLElement, detection: Detection, histograms: Histogram[]): void {
  const height = 90;
  addPlot(body, {
    id: 'null-distributions',
    title: `Tests of the strongest edges, ${detectionName(detection)}`,
    how: 'Evidence of the strongest edge, then of the next, in units of the 5% threshold. Grey bars: the strongest evidence anywhere in surrogates (layer noise without a step); vertical line: the observed one. An edge is a boundary when the line is right of nearly all bars (p at most 0.05).',
    label: histograms.map(({ test }) => `${step(test)}: statistic ${num(test.statistic)}, p = ${num(test.p_value)}`).join('. '),
    height: () => 30 + histograms.length * (height + 66),
    option: ({ theme, width }) => ({
      title: histograms.map(({ test }, i) => ({
        text: `${step(test)}: p = ${num(test.p_value)}`, left: 50, top: i * (height + 66), textStyle: { fontSize: 12, color: theme.text, width: width - 60, overflow: 'truncate' },
      })),
      grid: histograms.map((_, i) => ({ left: 50, right: 20, top: 34 + i * (height + 66), height })),
      xAxis: histograms.map((x, i) => valueAxis(theme, { gridIndex: i, min: x.low, max: x.low + kBins * x.width, splitLine: { show: false }, axisLabel: { color: theme.faint, hideOverlap: true, formatter: (v: number) => num(v) }, name: i === histograms.length - 1 ? 'evidence' : '', nameLocation: 'middle', nameGap: 24, nameTextStyle: { color: theme.faint } })),
      yAxis: histograms.map((_, i) => valueAxis(theme, { gridIndex: i, splitNumber: 2 })),
      tooltip: tooltip(theme, { formatter: (p: { value: number[] }) => `${num(p.value[0])}: ${p.value[1]} surrogates` }),
      series: histograms.map((x, i) => ({
        type: 'bar', xAxisIndex: i, yAxisIndex: i, barWidth: Math.max(2, (width - 80) / kBins - 1),
        data: x.counts.map((n, k) => [x.low + (k + 0.5) * x.width, n]), itemStyle: { color: theme.grey },
        markLine: { silent: true, symbol: 'none', data: [{ xAxis: x.statistic }], lineStyle: { color: theme.all, width: 3, type: 'solid' }, label: { show: true, formatter: 'observed', color: theme.text, position: 'end', distance: 2, fontSize: 11 } },
      })) as never,
    }),
    table: () => ({
      columns: ['test', 'bin_low', 'bin_high', 'surrogates', 'observed'],
      rows: histograms.flatMap((x) => x.counts.map((n, k): Cell[] => [step(x.test), x.low + k * x.width, x.low + (k + 1) * x.width, n, x.statistic])),
    }),
  });
}

function fitsTable(detections: Detection[]): HTMLElement {
  const rows = detections.flatMap((d) => d.fits.map((fit): Cell[] => [detectionName(d), fit.name, fit.edges.join(', ') || kMissing, fit.sse, fit.bic_ar1, fit.leave_one_out]));
  return tableBox({ columns: ['detector', 'model', 'edges', 'squared error', 'BIC, AR(1)', 'leave-one-out error'], rows }, 'Fits');
}

export const tests: Section = {
  id: 'tests',
  title: 'How many boundaries',
  render(record, body) {
    const all = record.findings.detections;
    const main = deciding(record);
    const rowsOf = (list: Detection[]) => list.flatMap((d) => d.tests.map((t): Cell[] => [detectionName(d), step(t), t.statistic, t.p_value, t.p_mc_error, t.null_sample.length]));
    const rows = rowsOf(main);
    if (rows.length === 0) {
      body.append(undefinedBox('Tests', unique(all.map((d) => d.note))));
      return;
    }
    body.append(tableBox({ columns: ['detector', 'test', 'statistic', 'p', 'Monte Carlo error of p', 'surrogates'], rows }, 'Tests'));
    const chosen = headline(record) ?? all.find((d) => d.tests.length > 0);
    const histograms = (chosen?.tests ?? []).flatMap(bin);
    if (chosen !== undefined && histograms.length > 0) nullPlot(body, chosen, histograms);
    const fitted = all.filter((d) => d.fits.length > 0);
    const others = fitted.filter((d) => d !== chosen);
    const old = rowsOf(earlier(record));
    if (fitted.length > others.length) body.append(h('h3', {}, 'Fits beside the tests (lower is better)'));
    if (fitted.length > others.length) body.append(fitsTable(fitted.filter((d) => d === chosen)));
    if (old.length + others.length > 0) {
      body.append(details('Tests and fits of earlier detectors, which decide nothing', (box) => {
        if (old.length > 0) box.append(tableBox({ columns: ['detector', 'test', 'gain in BIC', 'p', 'Monte Carlo error of p', 'surrogates'], rows: old }, 'Tests of earlier detectors'));
        if (others.length > 0) box.append(fitsTable(others));
      }));
    }
    addRandomTwins(record, body);
  },
};
