import { segmentAreas, tooltip, valueAxis, depthAxis } from '../axes';
import { h, paragraph, tableBox, undefinedBox } from '../dom';
import { interval, kMissing, num, percent } from '../format';
import type { Cell } from '../format';
import { addPlot } from '../plot';
import type { Detection, EdgeEstimate, RunRecord } from '../record';
import { deciding, detectionName, earlier, unique } from '../record';
import type { Section } from './section';

function words(estimates: EdgeEstimate[], layers: number): string {
  return estimates.map((e) => `edge ${e.edge} (depth ${num(e.edge / layers, 2)}; 90% ${interval(e.interval_90)}; modal ${percent(e.modal_share)})`).join('; ') || kMissing;
}

function row(d: Detection, layers: number): Cell[] {
  if (!d.defined) return [d.detector, d.tokens, `undefined: ${d.note}`, kMissing, kMissing, kMissing, kMissing];
  const used = d.used_signals.join(', ') + (d.left_out.length > 0 ? ` (left out: ${d.left_out.join('; ')})` : '');
  const stability = d.k_stability.map((share, k) => `K=${k}: ${percent(share)}`).join(', ');
  return [d.detector, d.tokens, d.verdict, words(d.boundaries, layers), words(d.forced_two, layers), stability || kMissing, used || kMissing];
}

function histogramPlot(record: RunRecord, body: HTMLElement, shown: { d: Detection; estimates: EdgeEstimate[]; forced: boolean }[]): void {
  const layers = record.model.n_layers;
  const total = (estimates: EdgeEstimate[], e: number) => estimates.reduce((sum, x) => sum + (x.histogram[e] ?? 0), 0);
  const values = shown.map(({ estimates }) => Array.from({ length: layers - 1 }, (_, e) => total(estimates, e)));
  const height = 80;
  addPlot(body, {
    id: 'boundary-positions',
    title: 'Where resampling puts the boundaries',
    how: 'Bars are the share of resamples (half-samples of documents and layer residuals) that put a boundary at an edge; one tall bar is a sharp boundary, a spread is an unsure one.',
    label: shown.map(({ d, estimates }) => `${detectionName(d)}: ${words(estimates, layers)}`).join('. '),
    height: () => 30 + shown.length * (height + 44),
    option: ({ theme }) => ({
      title: shown.map(({ d, forced }, i) => ({ text: detectionName(d) + (forced ? ' (forced)' : ''), left: 50, top: i * (height + 44), textStyle: { fontSize: 12, color: theme.text } })),
      grid: shown.map((_, i) => ({ left: 50, right: 14, top: 22 + i * (height + 44), height })),
      xAxis: shown.map((_, i) => depthAxis(record, theme, { gridIndex: i, max: layers - 0.5, name: i === shown.length - 1 ? 'block (edge e at e - 0.5)' : '', nameLocation: 'middle', nameGap: 22, nameTextStyle: { color: theme.faint } })),
      yAxis: shown.map((_, i) => valueAxis(theme, { gridIndex: i, min: 0, max: 1, interval: 0.5 })),
      tooltip: tooltip(theme, { formatter: (p: { value: number[] }) => `edge ${(p.value[0] ?? 0) + 0.5}: ${percent(p.value[1] ?? null)}` }),
      series: values.map((share, i) => ({
        type: 'bar', xAxisIndex: i, yAxisIndex: i, barWidth: Math.max(2, Math.min(14, 400 / layers)), data: share.map((v, e) => [e + 0.5, v]), itemStyle: { color: theme.ordinary },
        markArea: segmentAreas(record.findings, theme, false),
      })) as never,
    }),
    table: () => ({
      columns: ['edge', ...shown.map(({ d, forced }) => `${d.detector}_${d.tokens}${forced ? '_forced' : ''}`)],
      rows: Array.from({ length: layers - 1 }, (_, e) => [e + 1, ...values.map((share) => share[e] ?? null)]),
    }),
  });
}

const edges = (list: number[]): string => (list.length > 0 ? list.join(', ') : 'none');

// What stands beside the verdict: the fused detector without each group, published rules, how far splits are apart.
function beside(record: RunRecord, body: HTMLElement): void {
  const { groups_left_out: groups = [], reproductions = [], agreement = [] } = record.findings;
  if (groups.length > 0) {
    body.append(h('h3', {}, 'Without one group of signals'), paragraph('A verdict that changes with one group rests on that group.', 'faint'), tableBox({
      columns: ['group left out', 'tokens', 'verdict', 'edges', 'forced two'],
      rows: groups.map((g): Cell[] => [g.group, g.tokens, g.defined ? g.verdict : `undefined: ${g.note}`, edges(g.edges), edges(g.forced_two)]),
    }, 'Groups left out'));
  }
  if (reproductions.length > 0) {
    body.append(h('h3', {}, 'Published rules, for comparison'), paragraph('Never the headline. They test nothing: the top two peaks always give two edges.', 'faint'), tableBox({
      columns: ['rule', 'tokens', 'edges', 'note'],
      rows: reproductions.map((r): Cell[] => [r.rule, r.tokens, r.defined ? edges(r.edges) : kMissing, r.note]),
    }, 'Published rules'));
  }
  for (const a of agreement) {
    body.append(h('h3', {}, `How far two-boundary splits are apart (${a.tokens} tokens)`), paragraph(`Mean distance of matched edges, in relative depth${a.note ? `; ${a.note}` : ''}.`, 'faint'), tableBox({
      columns: ['', ...a.detectors],
      rows: a.detectors.map((name, i): Cell[] => [name, ...(a.distance[i] ?? []).map((x): Cell => x)]),
    }, `Distances between splits, ${a.tokens} tokens`));
  }
}

export const detectors: Section = {
  id: 'detectors',
  title: 'Detectors',
  render(record, body) {
    const all = record.findings.detections;
    if (all.length === 0) {
      body.append(undefinedBox('Boundaries', ['no detector was run']));
      return;
    }
    const main = deciding(record);
    const old = earlier(record);
    const defined = main.filter((d) => d.defined);
    if (defined.length === 0) body.append(undefinedBox('Boundaries', unique(all.map((d) => d.note))));
    const columns = ['detector', 'tokens', 'verdict', 'boundaries', 'forced two', 'best K by BIC, half-samples', 'signals'];
    body.append(h('h3', {}, 'What each detector says'), paragraph('The rule \u201ceither\u201d decides: an edge is a boundary when the signals or the states say so, at 5% together.', 'faint'), tableBox({
      columns, rows: main.map((d) => row(d, record.model.n_layers)),
    }, 'Detectors'));
    const shown = defined
      .map((d) => ({ d, forced: d.boundaries.length === 0, estimates: d.boundaries.length === 0 ? d.forced_two : d.boundaries }))
      .filter(({ estimates }) => estimates.some((e) => e.histogram.length > 0));
    if (shown.length > 0) histogramPlot(record, body, shown);
    if (old.length > 0) {
      body.append(h('h3', {}, 'Earlier detectors, reproduced for comparison'), paragraph('They decide nothing on this page.', 'faint'), tableBox({
        columns, rows: old.map((d) => row(d, record.model.n_layers)),
      }, 'Earlier detectors'));
    }
    beside(record, body);
  },
};
