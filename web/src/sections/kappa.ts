import { depthAxis, segmentAreas, tooltip, valueAxis, whiskers } from '../axes';
import { h, list, paragraph, tableBox, undefinedBox } from '../dom';
import { interval, kMissing, num } from '../format';
import type { Cell } from '../format';
import { hasHead, measureOf, ranked, segmentSensitivities, sensitivities } from '../measure';
import { wantsLog } from '../panels';
import { addPlot } from '../plot';
import type { Kappa, RunRecord } from '../record';
import { stateName, unique } from '../record';
import type { Theme } from '../theme';
import type { Section } from './section';
import { addSplit } from './split';

/// A point; the most brittle two carry their name.
function named(k: Kappa, rank: number, layers: number, theme: Theme): object {
  return {
    value: [k.state, k.kappa !== null && k.kappa > 0 ? k.kappa : null],
    label: { show: rank >= 0, formatter: `${rank + 1}. state ${k.state}`, position: k.state === 0 ? 'right' : k.state > layers - 2 ? 'left' : 'top', distance: 8, color: theme.text, fontWeight: 'bold', fontSize: 11, backgroundColor: theme.background, padding: [1, 3] },
    ...(rank >= 0 ? { symbolSize: 11 } : {}),
  };
}

function plot(record: RunRecord, body: HTMLElement, points: (Kappa & { kappa: number })[]): void {
  const log = wantsLog(points.map((k) => k.kappa));
  const two = ranked(record).slice(0, 2).map((k) => k.state);
  const backward = points.filter((k) => k.estimator === 'backward').length;
  const m = measureOf(record);
  const checks = points.filter((k) => k.check !== undefined && k.check !== null).length;
  const estimators = checks > 0 ? `${m.sensitivity} is the backward sweep\u2019s; hollow squares are noise lanes on fewer documents, which check it at ${checks} state${checks === 1 ? '' : 's'}`
    : backward === points.length ? `${m.sensitivity} is the backward sweep\u2019s: no noise lanes were run`
    : `hollow diamonds are the same quantity by the backward sweep, an independent estimate${backward > 0 ? `, and the only one at ${backward} states where no noise lanes were run` : ''}`;
  addPlot(body, {
    id: 'kappa',
    title: hasHead(record) ? 'Sensitivity of each state (kappa, nats)' : 'Sensitivity of the embedding to each state',
    linked: true,
    how: `Higher is more brittle: ${m.means}${log ? ' (log axis)' : ''}; bars are \u00b12 standard errors over documents; ${estimators}; shading is the segments; the two most brittle states are named.`,
    label: `${m.sensitivity} over ${points.length} states; the most brittle are ${two.map((s) => stateName(s, record.model.n_layers)).join(' and ')}.`,
    height: () => 300,
    option: ({ theme }) => ({
      grid: { left: 62, right: 14, top: 14, bottom: 44 },
      xAxis: depthAxis(record, theme, { name: 'state', nameLocation: 'middle', nameGap: 26, nameTextStyle: { color: theme.faint } }),
      yAxis: valueAxis(theme, { type: log ? 'log' : 'value', scale: true, axisLabel: { color: theme.faint, formatter: (v: number) => num(v) } }),
      tooltip: tooltip(theme, { trigger: 'axis', valueFormatter: (v: unknown) => (typeof v === 'number' ? num(v, 4) : kMissing) }),
      series: [
        {
          type: 'line', name: m.sensitivity, data: sensitivities(record).map((k) => named(k, two.indexOf(k.state), record.model.n_layers, theme)), connectNulls: false, symbol: 'circle', symbolSize: 6,
          lineStyle: { color: theme.ordinary, width: 2 }, itemStyle: { color: theme.ordinary }, markArea: segmentAreas(record.findings, theme, true),
        },
        ...(checks === 0 ? [] : [{
          type: 'line', name: 'noise lanes', data: points.map((k) => [k.state, k.check ?? null]), symbol: 'emptyRect', symbolSize: 9,
          lineStyle: { width: 0 }, itemStyle: { color: theme.text },
        }, whiskers(points.flatMap((k) => (typeof k.check !== 'number' || typeof k.check_error !== 'number' ? [] : [{ x: k.state, lo: k.check - 2 * k.check_error, hi: k.check + 2 * k.check_error }])), theme.faint)]),
        ...(checks > 0 ? [] : [{
          type: 'line', name: 'backward sweep', data: sensitivities(record).map((k) => [k.state, k.fisher !== null && k.fisher > 0 ? k.fisher : null]), symbol: 'emptyDiamond', symbolSize: 9,
          lineStyle: { width: 0 }, itemStyle: { color: theme.text },
        }]),
        whiskers(points.flatMap((k) => (k.standard_error === null ? [] : [{ x: k.state, lo: Math.max(k.kappa - 2 * k.standard_error, k.kappa / 20), hi: k.kappa + 2 * k.standard_error }])), theme.text),
      ] as never,
    }),
    table: () => ({
      columns: ['state', m.sensitivity, 'standard_error', 'backward sweep', 'its standard_error', ...(checks > 0 ? ['noise lanes', 'their standard_error'] : []), 'difference in standard errors', 'critical_strength', 'strengths_used', 'note'],
      rows: sensitivities(record).map((k): Cell[] => [k.state, k.kappa, k.standard_error, k.fisher, k.fisher_error, ...(checks > 0 ? [k.check ?? null, k.check_error ?? null] : []), k.difference_z, k.critical_strength, k.strengths_used.join(' '), k.note]),
    }),
  });
}

export const kappa: Section = {
  id: 'brittleness',
  title: 'Which layers are brittle',
  render(record, body) {
    const all = sensitivities(record);
    const m = measureOf(record);
    const points = all.filter((k): k is Kappa & { kappa: number } => k.kappa !== null && k.kappa > 0);
    const [first, second] = ranked(record);
    if (first !== undefined) {
      const place = (k: Kappa): string => `${stateName(k.state, record.model.n_layers)} (state ${k.state}, ${m.sensitivity} ${num(k.kappa)} \u00b1 ${num(k.standard_error, 2)})`;
      body.append(h('p', {}, second === undefined ? 'Most brittle: ' : 'Most brittle, in order: ', h('strong', {}, place(first)), second === undefined ? '.' : ', ', second === undefined ? null : h('strong', {}, place(second)), second === undefined ? null : '.'));
    }
    if (points.length === 0) body.append(undefinedBox(m.sensitivity, unique(all.map((k) => k.note)).concat(all.length === 0 ? ['no noise lanes were run'] : [])));
    else {
      plot(record, body, points);
      const gaps = all.filter((k) => k.kappa === null).map((k) => `state ${k.state}: ${k.note || 'no reason recorded'}`);
      if (gaps.length > 0) body.append(paragraph('Undefined:', 'faint'), list(gaps));
    }
    const segments = segmentSensitivities(record);
    if (segments.length > 0) body.append(h('h3', {}, 'By segment'), tableBox({
      columns: ['segment', 'blocks', `${m.sensitivity}, geometric mean`, '90% interval', `${m.sensitivity}, arithmetic mean`, `${m.damage} of skipping one block`, 'note'],
      rows: segments.map((s): Cell[] => [s.segment.name + (s.forced ? ' (forced)' : ''), `[${s.segment.begin},${s.segment.end})`, s.kappa_geometric, interval(s.kappa_interval_90), s.kappa_arithmetic, s.skip_kl_nats, s.note]),
    }, 'Brittleness by segment'));
    addSplit(record, body);
  },
};
