import { segmentColour, tooltip, valueAxis } from '../axes';
import { list, paragraph, undefinedBox } from '../dom';
import { num } from '../format';
import type { Cell } from '../format';
import { keyOf, panelsHeight, panelsOption, wantsLog } from '../panels';
import type { DepthPanel, Line } from '../panels';
import { addPlot } from '../plot';
import type { Context } from '../plot';
import type { RatePoint, RunRecord, SegmentRate, StateRate, Value } from '../record';
import { finite, unique } from '../record';
import { depthColour, kCividis, kMarkers, kStyles, series } from '../theme';
import { addBottleneck } from './bottleneck';
import type { Section } from './section';

const kColumns = ['strength', 'rate_nats', 'rate_se', 'distortion_nats', 'distortion_se', 'effective_dimension', 'beta', 'ln_beta_se'];

function row(p: RatePoint): Cell[] {
  return [p.strength, p.rate_nats, p.rate_error, p.distortion_nats, p.distortion_error, p.effective_dimension, p.beta, p.ln_beta_error];
}

function positive(value: Value): Value {
  return value !== null && value > 0 ? value : null;
}

/// Both axes logarithmic: R right, D up.
function axes({ theme }: Context, x: string, y: string) {
  const named = (name: string, gap: number) => ({ type: 'log', name, nameLocation: 'middle', nameGap: gap, nameTextStyle: { color: theme.faint }, axisLabel: { color: theme.faint, hideOverlap: true, formatter: (v: number) => num(v) } });
  return { xAxis: valueAxis(theme, { ...named(x, 26), scale: true, min: 'dataMin', max: 'dataMax' }), yAxis: valueAxis(theme, named(y, 50)) };
}

function statesPlot(record: RunRecord, body: HTMLElement, states: StateRate[]): void {
  const layers = record.model.n_layers;
  addPlot(body, {
    id: 'rate-states',
    title: 'Distortion against rate, state by state',
    how: 'One line for each state, dark for the first and yellow for the last. Right: nats per token that the noise lets through (R); up: nats of prediction lost (D); noise falls from left to right. A line further up and right belongs to a state that carries much and loses predictions even so.',
    label: `Distortion against rate for ${states.length} states, both axes logarithmic. The values are in the data table.`,
    height: () => 420,
    option: (context) => ({
      grid: { left: 66, right: 14, top: 14, bottom: 100 },
      ...axes(context, 'rate R (nats per token)', 'distortion D (nats per token)'),
      tooltip: tooltip(context.theme, { formatter: (p: { seriesName: string; value: number[] }) => `${p.seriesName}: eps ${num(p.value[2])}, R ${num(p.value[0])}, D ${num(p.value[1])}` }),
      visualMap: {
        type: 'continuous', min: 0, max: layers, seriesIndex: [], dimension: 0, orient: 'horizontal', left: 'center', bottom: 4, itemWidth: 12, itemHeight: 140, calculable: false, hoverLink: false,
        text: [`state ${layers}`, 'state 0'], textStyle: { color: context.theme.text }, inRange: { color: context.theme.dark ? kCividis.slice(2) : kCividis.slice(0, 9) },
      },
      series: states.map(({ state, curve }) => ({
        type: 'line', name: `state ${state}`, data: curve.points.map((p) => [positive(p.rate_nats), positive(p.distortion_nats), p.strength]), connectNulls: false,
        symbol: kMarkers[state % kMarkers.length], symbolSize: 5,
        lineStyle: { color: depthColour(state / layers, context.theme), width: 1.5, type: kStyles[state % kStyles.length] }, itemStyle: { color: depthColour(state / layers, context.theme) },
      })) as never,
    }),
    table: () => ({ columns: ['state', ...kColumns], rows: states.flatMap(({ state, curve }) => curve.points.map((p): Cell[] => [state, ...row(p)])) }),
  });
}

/// Two panels side by side, or one under the other: D over eps, D over R.
function segmentsPlot(body: HTMLElement, segments: SegmentRate[]): void {
  const name = (s: SegmentRate): string => `${s.segment.name} [${s.segment.begin},${s.segment.end})`;
  const forced = segments.some((s) => s.forced) ? ' (forced split)' : '';
  const side = 300;
  addPlot(body, {
    id: 'rate-segments',
    title: `Dose, rate and distortion, segment by segment${forced}`,
    how: 'One line for each segment, the mean over the input states of its blocks. First panel: damage D over the noise eps. Second: D against the rate R that the noise leaves.',
    label: `Distortion over noise and over rate for ${segments.map(name).join(', ')}. The values are in the data table.`,
    height: (width) => (width < 640 ? 2 * side + 20 : side),
    option: (context) => {
      const { theme, width } = context;
      const stacked = width < 640;
      const grids = stacked
        ? [{ left: 66, right: 14, top: 44, height: side - 96 }, { left: 66, right: 14, top: side + 50, height: side - 96 }]
        : [{ left: 66, width: width / 2 - 90, top: 44, bottom: 44 }, { left: width / 2 + 56, right: 14, top: 44, bottom: 44 }];
      const dose = axes(context, 'noise eps (token rms)', 'D (nats)');
      const rate = axes(context, 'rate R (nats per token)', 'D (nats)');
      return {
        title: { text: '', left: 56, top: 0, ...keyOf(segments.map(name), theme, width - 70) },
        grid: grids,
        xAxis: [dose.xAxis, { ...rate.xAxis, gridIndex: 1 }] as never,
        yAxis: [dose.yAxis, { ...rate.yAxis, gridIndex: 1 }] as never,
        tooltip: tooltip(theme, { formatter: (p: { seriesName: string; value: number[]; seriesIndex: number }) => `${p.seriesName}: ${p.seriesIndex % 2 === 0 ? 'eps' : 'R'} ${num(p.value[0])}, D ${num(p.value[1])}` }),
        series: segments.flatMap((s, i) => [
          s.curve.points.map((p) => [positive(p.strength), positive(p.distortion_nats)]),
          s.curve.points.map((p) => [positive(p.rate_nats), positive(p.distortion_nats)]),
        ].map((data, panel) => ({
          type: 'line', name: name(s), xAxisIndex: panel, yAxisIndex: panel, data, connectNulls: false, symbol: kMarkers[i % kMarkers.length], symbolSize: 8,
          lineStyle: { color: series(i, theme), width: 2, type: kStyles[i % kStyles.length] }, itemStyle: { color: series(i, theme), borderColor: segmentColour(i, theme) },
        }))) as never,
      };
    },
    table: () => ({ columns: ['segment', 'begin', 'end', ...kColumns], rows: segments.flatMap((s) => s.curve.points.map((p): Cell[] => [s.segment.name + (s.forced ? ' (forced)' : ''), s.segment.begin, s.segment.end, ...row(p)])) }),
  });
}

/// Lines over states: a quantity at each of some noise levels or distortions.
function linesOf<P>(states: StateRate[], points: (s: StateRate) => P[], chosen: number[], name: (p: P) => string, value: (p: P) => Value, error?: (p: P) => Value): Line[] {
  return chosen.flatMap((k) => {
    const first = states.map((s) => points(s)[k]).find((p) => p !== undefined);
    if (first === undefined) return [];
    const at = (of: (p: P) => Value) => states.map((s) => { const p = points(s)[k]; return p === undefined ? null : of(p); });
    const line: Line = { name: name(first), x: states.map((s) => s.state), y: at(value) };
    return [error === undefined ? line : { ...line, error: at(error), relative: true }];
  });
}

function panelOf(title: string, lines: Line[]): DepthPanel[] {
  const shown = lines.filter((line) => finite(line.y).length > 0);
  return shown.length === 0 ? [] : [{ title, lines: shown, log: wantsLog(shown.flatMap((line) => line.y)) }];
}

/// The first, the middle and the last noise level at which most states have a beta.
function levels(states: StateRate[]): number[] {
  const many = states[0]?.curve.points.length ?? 0;
  const usable = Array.from({ length: many }, (_, k) => k).filter((k) => states.filter((s) => positive(s.curve.points[k]?.beta ?? null) !== null).length > states.length / 2);
  return [...new Set([usable[0], usable[Math.floor(usable.length / 2)], usable[usable.length - 1]])].filter((k): k is number => k !== undefined);
}

function betaPlot(record: RunRecord, body: HTMLElement, states: StateRate[]): void {
  const noise = levels(states);
  const matched = (states[0]?.curve.matched ?? []).map((_, k) => k);
  const eps = (p: RatePoint): string => `eps = ${num(p.strength, 2)}`;
  const panels = [
    ...panelOf('beta at matched noise (1)', linesOf(states, (s) => s.curve.points, noise, eps, (p) => p.beta, (p) => p.ln_beta_error)),
    ...panelOf('effective dimension m at matched noise', linesOf(states, (s) => s.curve.points, noise, eps, (p) => p.effective_dimension)),
    ...panelOf('beta at matched distortion (1)', linesOf(states, (s) => s.curve.matched, matched, (p) => `D = ${num(p.distortion_nats)} nats`, (p) => p.beta)),
    ...panelOf('effective dimension m at matched distortion', linesOf(states, (s) => s.curve.matched, matched, (p) => `D = ${num(p.distortion_nats)} nats`, (p) => p.effective_dimension)),
  ];
  if (panels.length === 0) return;
  addPlot(body, {
    id: 'beta',
    title: 'Compression weight beta and effective dimension',
    linked: true,
    how: 'beta = -dD/dR is the price in predictions of each nat taken from the state: higher means that less can be thrown away. At matched noise it carries kappa, at matched distortion it is spectrum alone (about 2D/m), so the two may rank states differently; m is how many directions the noise leaves visible. Bands: \u00b12 standard errors over documents.',
    label: `beta and effective dimension over ${states.length} states, at matched noise and at matched distortion. The values are in the data table.`,
    height: () => panelsHeight(panels),
    option: (context) => panelsOption({ ...record.findings, model: record.model }, panels, context, 'state') as never,
    table: () => ({
      columns: ['state', 'matched', 'level', 'strength', 'distortion_nats', 'rate_nats', 'effective_dimension', 'beta', 'ln_beta_se'],
      rows: states.flatMap(({ state, curve }) => [
        ...curve.points.map((p): Cell[] => [state, 'noise', p.strength, p.strength, p.distortion_nats, p.rate_nats, p.effective_dimension, p.beta, p.ln_beta_error]),
        ...curve.matched.map((p): Cell[] => [state, 'distortion', p.distortion_nats, p.strength, p.distortion_nats, p.rate_nats, p.effective_dimension, p.beta, null]),
      ]),
    }),
  });
}

export const rate: Section = {
  id: 'rate',
  title: 'Rate and distortion',
  render(record, body) {
    const { rate_distortion: all = [], segment_rate_distortion: segments = [] } = record.findings;
    const states = all.filter(({ curve }) => curve.points.some((p) => positive(p.rate_nats) !== null && positive(p.distortion_nats) !== null));
    const notes = unique(all.map(({ curve }) => curve.note));
    if (states.length === 0) {
      body.append(undefinedBox('Rate and distortion', notes.length > 0 ? notes : ['the record holds none (an older version wrote it, or no noise lanes were run)']));
      return;
    }
    body.append(paragraph('Noise of eps times each token\u2019s rms is put on a state. R bounds from above what still gets through about the state, D is what the prediction loses: a bottleneck, priced layer by layer. The definition is strata\u2019s own (docs/rate_distortion.md).'));
    statesPlot(record, body, states);
    const shown = segments.filter(({ curve }) => curve.points.some((p) => positive(p.distortion_nats) !== null));
    if (shown.length > 0) segmentsPlot(body, shown);
    else body.append(undefinedBox('Rate and distortion by segment', unique(segments.map(({ curve }) => curve.note)).concat(segments.length === 0 ? ['there are no segments'] : [])));
    betaPlot(record, body, states);
    addBottleneck(record, body);
    if (notes.length > 0) body.append(paragraph('Notes of the record:', 'faint'), list(notes));
  },
};
