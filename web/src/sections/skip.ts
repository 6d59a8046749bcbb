import { depthAxis, segmentAreas, tooltip, valueAxis, whiskers } from '../axes';
import { details, undefinedBox } from '../dom';
import { num } from '../format';
import { damage, damageError, measureOf } from '../measure';
import { addPlot } from '../plot';
import type { Curve, RunRecord } from '../record';
import { curveColumns, curveRows, kinds } from './dose';
import { kInterventions } from '../signals';
import type { Section } from './section';

function plot(record: RunRecord, body: HTMLElement, name: string, id: string, curves: Curve[]): void {
  const points = curves.flatMap((c) => {
    const kl = damage(c)[0];
    return kl === null || kl === undefined ? [] : [{ place: c.place, kl, se: damageError(c)[0] ?? null }];
  });
  if (points.length === 0) {
    body.append(undefinedBox(name, ['no document has a value']));
    return;
  }
  const lanes = record.documents.filter((d) => d.lane_tokens > 0).length;
  const ran = curves.map((c) => c.documents?.length ?? lanes);
  const [fewest, most] = [Math.min(...ran), Math.max(...ran)];
  const sample = fewest === lanes ? '' : ` Measured on ${fewest === most ? '' : `${fewest} to `}${most} of ${lanes} documents, more where the order of the ${curves[0]?.axis ?? 'block'}s was open; the table has the error of that.`;
  const worst = points.reduce((a, b) => (b.kl > a.kl ? b : a));
  const axis = curves[0]?.axis ?? 'block';
  const m = measureOf(record);
  addPlot(body, {
    id: `effect-${id}`,
    linked: true,
    title: `Damage of ${name}, ${axis} by ${axis}`,
    how: `${kInterventions[curves[0]?.intervention ?? ''] ?? ''} Height is ${m.between}${m.unit === '' ? '' : ' (nats per token)'} of the model as it is and with this done at one ${axis}; bars are \u00b12 standard errors over documents.${sample}`,
    label: `${name}: largest damage at ${axis} ${worst.place}, ${num(worst.kl)}${m.unit}.`,
    height: () => 280,
    option: ({ theme, width }) => ({
      grid: { left: 62, right: 14, top: 14, bottom: 44 },
      xAxis: depthAxis(record, theme, { name: axis, nameLocation: 'middle', nameGap: 26, nameTextStyle: { color: theme.faint } }),
      yAxis: valueAxis(theme, { name: m.axis, nameLocation: 'middle', nameGap: 46, nameTextStyle: { color: theme.faint }, axisLabel: { color: theme.faint, formatter: (v: number) => num(v) } }),
      tooltip: tooltip(theme, { formatter: (p: { value: number[] }) => `${axis} ${p.value[0]}: ${num(p.value[1], 4)}${m.unit}` }),
      series: [
        {
          type: 'bar', data: points.map((p) => [p.place, p.kl]), barWidth: Math.max(1, (0.7 * (width - 76)) / (record.model.n_layers + 1)), itemStyle: { color: theme.ordinary },
          markArea: segmentAreas(record.findings, theme, true),
        },
        whiskers(points.flatMap((p) => (p.se === null ? [] : [{ x: p.place, lo: p.kl - 2 * p.se, hi: p.kl + 2 * p.se }])), theme.text),
      ] as never,
    }),
    table: () => ({ columns: curveColumns(curves), rows: curveRows(curves) }),
  });
}

export const skip: Section = {
  id: 'skip',
  title: 'One block at a time',
  render(record, body) {
    const curves = record.curves.filter((c) => c.strength.length === 1);
    if (curves.length === 0) body.append(undefinedBox('Block skips', ['they were not run']));
    kinds(curves).forEach(({ name, id, curves: own }, i) => {
      if (i < 2) plot(record, body, name, id, own);
      else body.append(details(`Damage of ${name}`, (box) => plot(record, box, name, id, own)));
    });
  },
};
