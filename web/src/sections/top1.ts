// How often the most likely next token stays the same under an intervention.
import { percent } from '../format';
import type { Cell } from '../format';
import { panelsHeight, panelsOption } from '../panels';
import type { DepthPanel, Line } from '../panels';
import { addPlot } from '../plot';
import type { Curve, RunRecord, Value } from '../record';
import { finite } from '../record';
import { kinds } from './dose';

const kPanels = 2;  // kinds that are drawn; the numbers of all are in their own data tables

function linesOf(curves: Curve[]): Line[] {
  const strengths = curves[0]?.strength ?? [];
  const at = (values: Value[] | undefined, k: number): Value => values?.[k] ?? null;
  return strengths.map((s, k): Line => ({
    name: strengths.length > 1 ? String(s) : 'share', x: curves.map((c) => c.place),
    y: curves.map((c) => at(c.top1, k)), error: curves.map((c) => at(c.top1_se, k)),
  })).filter((line) => finite(line.y).length > 0);
}

/// Nothing where no curve has it (records of older versions).
export function addTop1(record: RunRecord, body: HTMLElement): void {
  const single = record.curves.filter((c) => c.span === 1 && (c.head ?? -1) < 0);
  const found = kinds(single).map(({ name, curves }) => ({ name, curves, lines: linesOf(curves) })).filter(({ lines }) => lines.length > 0).slice(0, kPanels);
  if (found.length === 0) return;
  const panels = found.map(({ name, curves, lines }): DepthPanel => {
    const unit = curves[0]?.strength_unit ?? '';
    return { title: lines.length > 1 ? `${name}, strength in ${unit}` : `${name}, ${curves[0]?.axis ?? ''} by ${curves[0]?.axis ?? ''}`, lines, log: false, most: 1 };
  });
  const worst = found.map(({ name, curves }) => {
    const least = curves.flatMap((c) => finite(c.top1 ?? []).map((v) => ({ v, place: c.place }))).reduce((a, b) => (b.v < a.v ? b : a));
    return `${name}: least ${percent(least.v)} at ${curves[0]?.axis ?? ''} ${least.place}`;
  });
  addPlot(body, {
    id: 'top1',
    title: 'How often the most likely token stays the same',
    linked: true,
    how: `Height: share of positions whose most likely next token is still the same (top-1 agreement); 1 means that no prediction changed. One line for each strength, a marker each; bands: \u00b12 standard errors over documents.`,
    label: `Top-1 agreement over depth. ${worst.join('; ')}. The values are in the data table.`,
    height: () => panelsHeight(panels),
    option: (context) => panelsOption({ ...record.findings, model: record.model }, panels, context, 'block (or state index)') as never,
    table: () => ({
      columns: ['intervention', 'axis', 'place', 'strength', 'top1_agreement', 'top1_agreement_se'],
      rows: found.flatMap(({ name, curves }) => curves.flatMap((c) => c.strength.map((s, k): Cell[] => [name, c.axis, c.place, s, c.top1?.[k] ?? null, c.top1_se?.[k] ?? null]))),
    }),
  });
}
