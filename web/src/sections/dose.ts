import { tooltip, valueAxis } from '../axes';
import { details, undefinedBox } from '../dom';
import { num } from '../format';
import type { Cell } from '../format';
import { damage, measureOf } from '../measure';
import { addPlot } from '../plot';
import type { Curve, RunRecord, Value } from '../record';
import { kInterventions } from '../signals';
import { depthColour, kCividis, kMarkers, kStyles } from '../theme';
import type { Section } from './section';
import { addTop1 } from './top1';

/// "state 3", "blocks [3,5)", "block 3, head 2", "block 3, expert 2".
export function placeName(c: Curve): string {
  const place = c.span > 1 ? `${c.axis}s [${c.place},${c.place + c.span})` : `${c.axis} ${c.place}`;
  return c.head !== undefined && c.head >= 0 ? `${place}, ${c.site === 'parts' ? 'expert' : 'head'} ${c.head}` : place;
}

/// Curves of one kind: an intervention at one site, at single places or over spans of one length.
export function kinds(curves: Curve[]): { name: string; id: string; curves: Curve[] }[] {
  const out = new Map<string, Curve[]>();
  for (const c of curves) {
    const parts = [c.intervention, c.site, c.span > 1 ? `${c.span} ${c.axis}s` : '', c.head !== undefined && c.head >= 0 ? (c.site === 'parts' ? 'single experts' : 'single heads') : ''];
    const key = parts.join('|');
    out.set(key, [...(out.get(key) ?? []), c]);
  }
  return [...out].map(([key, own]) => {
    const [name = '', ...rest] = key.split('|');
    // A site is named where the intervention has several.
    const several = new Set(curves.filter((c) => c.intervention === name).map((c) => c.site)).size > 1;
    const words = rest.filter((word, i) => word !== '' && (i > 0 || several));
    return { name: [name, ...words].join(', '), id: [name, ...words].join('-').replace(/[^A-Za-z0-9_-]+/g, '-'), curves: own };
  });
}

export function curveRows(curves: Curve[]): Cell[][] {
  return curves.flatMap((c) => c.strength.map((s, i): Cell[] =>
    [c.place, c.span, c.head !== undefined && c.head >= 0 ? c.head : null, s, c.kl[i] ?? null, c.kl_se[i] ?? null, c.nll[i] ?? null, c.nll_se[i] ?? null, c.top1?.[i] ?? null, c.top1_se?.[i] ?? null, ...(c.distance === undefined ? [] : [c.distance[i] ?? null, c.distance_se?.[i] ?? null]), ...(sampled(curves) ? [c.documents?.length ?? null, c.sampling_error?.[i] ?? null] : [])]));
}

/// Whether some of the curves were measured on a part of their sample.
function sampled(curves: Curve[]): boolean {
  return curves.some((c) => c.documents !== undefined);
}

const kColumns = ['place', 'span', 'head', 'strength', 'kl_nats', 'kl_nats_se', 'delta_nll_nats', 'delta_nll_nats_se', 'top1_agreement', 'top1_agreement_se'];

export function curveColumns(curves: Curve[]): string[] {
  return [...kColumns, ...(curves.some((c) => c.distance !== undefined) ? ['embedding_distance', 'embedding_distance_se'] : []), ...(sampled(curves) ? ['documents (empty = all)', 'sampling_error'] : [])];
}

function positive(value: Value | undefined): Value {
  return value !== null && value !== undefined && value > 0 ? value : null;
}

/// Damage = c strength^2 through the middle of the points at the smallest strength.
function reference(curves: Curve[]): [number, number][] {
  const first = curves.map((c) => ({ x: c.strength[0] ?? 0, y: positive(damage(c)[0]) })).filter((p): p is { x: number; y: number } => p.y !== null && p.x > 0);
  const middle = first.sort((a, b) => a.y - b.y)[Math.floor(first.length / 2)];
  if (middle === undefined) return [];
  return [[middle.x, middle.y], [middle.x * 10, middle.y * 100]];
}

function plot(record: RunRecord, body: HTMLElement, name: string, id: string, curves: Curve[]): void {
  const layers = record.model.n_layers;
  const axis = curves[0]?.axis ?? 'state';
  const m = measureOf(record);
  addPlot(body, {
    id: `dose-${id}`,
    title: `Dose and response: ${name} (${curves[0]?.site ?? ''})`,
    how: `${kInterventions[curves[0]?.intervention ?? ''] ?? ''} Up: damage, ${m.between} with and without. One line for each ${axis}, dark for the first and yellow for the last; both axes are logarithmic. Where a line runs parallel to the thick dashed one (slope 2) the damage is quadratic in the strength, which is where ${m.sensitivity} is read.`,
    label: `${m.damage} against strength for ${curves.length} places. The values are in the data table.`,
    height: () => 420,
    option: ({ theme }) => ({
      grid: { left: 66, right: 14, top: 14, bottom: 100 },
      xAxis: valueAxis(theme, { type: 'log', name: `strength (${curves[0]?.strength_unit ?? ''})`, nameLocation: 'middle', nameGap: 26, nameTextStyle: { color: theme.faint }, min: Math.min(...curves.flatMap((c) => c.strength.filter((s) => s > 0))) }),
      yAxis: valueAxis(theme, { type: 'log', name: m.axis, nameLocation: 'middle', nameGap: 50, nameTextStyle: { color: theme.faint }, axisLabel: { color: theme.faint, formatter: (v: number) => num(v) } }),
      tooltip: tooltip(theme, { formatter: (p: { seriesName: string; value: number[] }) => `${p.seriesName}: strength ${num(p.value[0])}, ${m.damage} ${num(p.value[1])}` }),
      visualMap: {
        type: 'continuous', min: 0, max: layers, seriesIndex: [], dimension: 0, orient: 'horizontal', left: 'center', bottom: 4, itemWidth: 12, itemHeight: 140, calculable: false, hoverLink: false,
        text: [`${axis} ${layers}`, `${axis} 0`], textStyle: { color: theme.text }, inRange: { color: theme.dark ? kCividis.slice(2) : kCividis.slice(0, 9) },
      },
      series: [
        ...curves.map((c) => ({
          type: 'line', name: placeName(c), data: c.strength.map((s, i) => [positive(s), positive(damage(c)[i])]), connectNulls: false, symbol: kMarkers[c.place % kMarkers.length], symbolSize: 5,
          lineStyle: { color: depthColour(c.place / layers, theme), width: 1.5, type: kStyles[c.place % kStyles.length] }, itemStyle: { color: depthColour(c.place / layers, theme) },
        })),
        { type: 'line', name: 'slope 2', data: reference(curves), symbol: 'none', z: 6, lineStyle: { color: theme.text, width: 3, type: 'dashed' } },
      ] as never,
    }),
    table: () => ({ columns: curveColumns(curves), rows: curveRows(curves) }),
  });
}

export const dose: Section = {
  id: 'dose',
  title: 'Dose and response',
  render(record, body) {
    const curves = record.curves.filter((c) => c.strength.length > 1);
    if (curves.length === 0) {
      body.append(undefinedBox('Dose-response curves', ['no intervention with more than one strength was run']));
      return;
    }
    kinds(curves).forEach(({ name, id, curves: own }, i) => {
      if (!own.some((c) => damage(c).some((v) => v !== null && v > 0))) body.append(undefinedBox(name, ['no document has a value']));
      else if (i === 0) plot(record, body, name, id, own);
      else body.append(details(`Dose and response: ${name}`, (box) => plot(record, box, name, id, own)));
      if (i === 0) addTop1(record, body);
    });
  },
};
