// What a trained bottleneck achieves, beside the Gaussian channel that it started from.
import type { CustomSeriesRenderItem } from 'echarts';

import { tooltip, valueAxis } from '../axes';
import { h, notRun, paragraph } from '../dom';
import { num } from '../format';
import type { Cell } from '../format';
import { keyOf } from '../panels';
import { addPlot } from '../plot';
import type { Context } from '../plot';
import type { Bottleneck, BottleneckPoint, RunRecord, Value } from '../record';
import { finite } from '../record';
import type { Theme } from '../theme';
import { series } from '../theme';

const kHeight = 270;
const kNames = ['trained bottleneck', 'Gaussian channel'];

function name(record: RunRecord, curve: Bottleneck): string {
  const segment = record.findings.segments.find((s) => s.begin === curve.state);
  return `${segment === undefined ? '' : `${segment.name}: `}state ${curve.state}`;
}

function positive(value: Value): value is number {
  return value !== null && value > 0;
}

/// Both were trained and judged on the price D + beta R.
function cheaper(p: BottleneckPoint): boolean {
  const price = (d: Value, r: Value): number => (d === null || r === null ? NaN : d + p.beta * r);
  return price(p.distortion_nats, p.rate_nats) < price(p.start_distortion_nats, p.start_rate_nats);
}

/// +-2 standard errors in both directions; what would reach 0 stops at a twentieth.
function crosses(points: BottleneckPoint[], panel: number, colour: string): object {
  const shown = points.filter((p) => positive(p.rate_nats) && positive(p.distortion_nats));
  const ends = (value: Value, error: Value): [number, number] => [Math.max((value ?? 0) - 2 * (error ?? 0), (value ?? 0) / 20), (value ?? 0) + 2 * (error ?? 0)];
  const renderItem: CustomSeriesRenderItem = (params, api) => {
    const p = shown[params.dataIndex];
    if (p === undefined) return null;
    const x = ends(p.rate_nats, p.rate_error);
    const y = ends(p.distortion_nats, p.distortion_error);
    const line = (a: number[], b: number[]) => {
      const [x1 = 0, y1 = 0] = api.coord(a);
      const [x2 = 0, y2 = 0] = api.coord(b);
      return { type: 'line' as const, shape: { x1, y1, x2, y2 }, style: { stroke: colour, lineWidth: 1.5 } };
    };
    return { type: 'group', children: [line([x[0], p.distortion_nats ?? 0], [x[1], p.distortion_nats ?? 0]), line([p.rate_nats ?? 0, y[0]], [p.rate_nats ?? 0, y[1]])] };
  };
  return { type: 'custom', renderItem, xAxisIndex: panel, yAxisIndex: panel, silent: true, clip: true, z: 3, data: shown.map((p) => [p.rate_nats, p.distortion_nats]), encode: { x: 0, y: 1 }, tooltip: { show: false } };
}

function lines(curve: Bottleneck, panel: number, theme: Theme): object[] {
  const line = (i: number, data: (Value | number)[][], symbol: string, dash: string) => ({
    type: 'line', name: kNames[i], xAxisIndex: panel, yAxisIndex: panel, data, symbol, symbolSize: 9, z: 4,
    lineStyle: { color: series(i, theme), width: 2, type: dash }, itemStyle: { color: series(i, theme) },
  });
  const log = (x: Value, y: Value, p: BottleneckPoint) => [positive(x) ? x : null, positive(y) ? y : null, p.beta];
  return [
    line(0, curve.points.map((p) => log(p.rate_nats, p.distortion_nats, p)), 'circle', 'solid'),
    line(1, curve.points.map((p) => log(p.start_rate_nats, p.start_distortion_nats, p)), 'triangle', 'dashed'),
    crosses(curve.points, panel, theme.text),
  ];
}

function option(record: RunRecord, curves: Bottleneck[], columns: number, { theme, width }: Context): object {
  const cell = (width - 10) / columns;
  const place = (i: number) => ({ left: (i % columns) * cell, top: 26 + Math.floor(i / columns) * kHeight });
  const axis = (words: string, gap: number) => ({ type: 'log', scale: true, name: words, nameLocation: 'middle', nameGap: gap, nameTextStyle: { color: theme.faint }, axisLabel: { color: theme.faint, hideOverlap: true, formatter: (v: number) => num(v) } });
  return {
    title: [
      { text: '', left: 56, top: -4, ...keyOf(kNames, theme, width - 60) },
      ...curves.map((curve, i) => ({ text: name(record, curve), left: place(i).left + 62, top: place(i).top + 4, textStyle: { fontSize: 12, fontWeight: 'bold', color: theme.text } })),
    ],
    grid: curves.map((_, i) => ({ left: place(i).left + 66, top: place(i).top + 30, width: cell - 76, height: kHeight - 86 })),
    xAxis: curves.map((_, i) => valueAxis(theme, { ...axis('rate R (nats per token)', 26), gridIndex: i, splitNumber: 3 })),
    yAxis: curves.map((_, i) => valueAxis(theme, { ...axis(i % columns === 0 ? 'distortion D (nats)' : '', 50), gridIndex: i })),
    tooltip: tooltip(theme, { formatter: (p: { seriesName: string; value: number[] }) => `${p.seriesName}: R ${num(p.value[0])}, D ${num(p.value[1])}, beta ${num(p.value[2])}` }),
    series: curves.flatMap((curve, i) => lines(curve, i, theme)),
  };
}

export function addBottleneck(record: RunRecord, body: HTMLElement): void {
  body.append(h('h3', {}, 'What a trained bottleneck achieves'));
  const curves = (record.bottlenecks ?? []).filter((c) => finite(c.points.map((p) => p.distortion_nats)).some((d) => d > 0));
  if (curves.length === 0) {
    body.append(notRun('A bottleneck trained at the first state of each segment', 'strata analyze --bottleneck'));
    return;
  }
  const points = curves.flatMap((c) => c.points);
  const better = points.filter(cheaper).length;
  const { train_tokens: train, held_out_tokens: held, steps, hidden } = curves[0] ?? { train_tokens: 0, held_out_tokens: 0, steps: 0, hidden: 0 };
  body.append(paragraph(`Judged by the price D + beta R that it was trained for, on documents that it was not trained on, the trained bottleneck is better than the Gaussian channel at ${better} of ${points.length} points${better < points.length ? '; where it is worse, too few or too short training documents are the likely reason' : ''}.`));
  addPlot(body, {
    id: 'bottleneck',
    title: 'Achieved rate and distortion',
    how: `Further down and left is better: fewer nats through, less of the prediction lost. Triangles: the Gaussian channel z = h/rms + eps xi. Circles: a bottleneck trained from it (${steps} steps, ${hidden} hidden units, ${train} tokens of every second document, judged on the ${held} of the others). R bounds the information from above for both; crosses are \u00b12 standard errors. Both are taken on those others; the leftmost pair has the most noise.`,
    label: `Rate and distortion of a trained bottleneck and of the Gaussian channel at ${curves.map((c) => name(record, c)).join(', ')}; the trained one has the lower price at ${better} of ${points.length} points. The values are in the data table.`,
    height: (width) => 30 + Math.ceil(curves.length / columnsFor(width, curves.length)) * kHeight,
    option: (context) => option(record, curves, columnsFor(context.width, curves.length), context) as never,
    table: () => ({
      columns: ['state', 'beta', 'rate_nats', 'rate_se', 'distortion_nats', 'distortion_se', 'start_strength', 'start_rate_nats', 'start_distortion_nats', 'price', 'start_price'],
      rows: curves.flatMap((c) => c.points.map((p): Cell[] => [c.state, p.beta, p.rate_nats, p.rate_error, p.distortion_nats, p.distortion_error, p.start_strength, p.start_rate_nats, p.start_distortion_nats,
        p.rate_nats === null || p.distortion_nats === null ? null : p.distortion_nats + p.beta * p.rate_nats, p.start_rate_nats === null || p.start_distortion_nats === null ? null : p.start_distortion_nats + p.beta * p.start_rate_nats])),
    }),
  });
}

function columnsFor(width: number, curves: number): number {
  return width < 640 ? 1 : Math.min(3, curves);
}
