// Sensitivity to absolute noise, split into function and scale: absolute = kappa / rms_eff^2, exactly.
import { paragraph, tableBox } from '../dom';
import { num } from '../format';
import type { Cell } from '../format';
import { panelsHeight, panelsOption, wantsLog } from '../panels';
import type { DepthPanel } from '../panels';
import { addPlot } from '../plot';
import type { Brittleness, RunRecord, Split, Value } from '../record';
import { finite, unique } from '../record';

function panel(title: string, splits: Split[], shown: [string, (s: Split) => Value][], zero = false): DepthPanel[] {
  const lines = shown.map(([name, of]) => ({ name, x: splits.map((s) => s.state), y: splits.map(of) })).filter((line) => finite(line.y).length > 0);
  if (lines.length === 0) return [];
  return [{ title, lines, log: !zero && wantsLog(lines.flatMap((line) => line.y)), ...(zero ? { level: { at: 0, name: 'rms_eff = median rms' } } : {}) }];
}

function backward(segment: Brittleness, noise: string): Value {
  return segment.means?.find((m) => m.noise === noise && m.measure === 'kl' && m.estimator === 'backward')?.geometric ?? null;
}

function ln(a: Value | undefined, b: Value | undefined): Value {
  return a === null || b === null || a === undefined || b === undefined || a <= 0 || b <= 0 ? null : Math.log(a / b);
}

export function addSplit(record: RunRecord, body: HTMLElement): void {
  const splits = record.findings.splits ?? [];
  if (splits.every((s) => s.absolute === null)) {
    const why = unique(splits.map((s) => s.note)).join('; ') || 'this record has no backward sweep (an older version wrote it, or --clean-only left it out)';
    body.append(paragraph(`No split into function and scale: ${why}.`, 'faint'));
    return;
  }
  const panels = [
    ...panel('B_abs (nats / residual unit\u00b2)', splits, [['B_abs = kappa / rms_eff\u00b2', (s) => s.absolute]]),
    ...panel('kappa (nats)', splits, [['kappa', (s) => s.kappa]]),
    ...panel('rms (residual units)', splits, [['rms_eff', (s) => s.rms_effective], ['median rms', (s) => s.rms_median]]),
    ...panel('remainder: ln(rms_eff / median rms)', splits, [['remainder', (s) => s.correlation]], true),
  ];
  const known = splits.filter((s): s is Split & { absolute: number } => s.absolute !== null);
  const top = known.reduce((a, b) => (b.absolute > a.absolute ? b : a));
  addPlot(body, {
    id: 'split',
    title: 'Function or scale?',
    linked: true,
    how: 'B_abs, the sensitivity to noise of one absolute size, is large where the residual stream is small, whatever the model does with it. It is exactly kappa (function) over rms_eff\u00b2 (scale), all by the backward sweep: what falls in the first panel and not in the second is scale. rms_eff weights each token by its squared gradient; the last panel is what the plain rms misses: below 0, the sensitive tokens are the small ones.',
    label: `Sensitivity to absolute noise over ${known.length} states, largest at state ${top.state} (${num(top.absolute)}), split into kappa and the effective rms. The values are in the data table.`,
    height: () => panelsHeight(panels),
    option: (context) => panelsOption({ ...record.findings, model: record.model }, panels, context, 'state') as never,
    table: () => ({
      columns: ['state', 'absolute', 'kappa', 'rms_effective', 'rms_median', 'remainder', 'note'],
      rows: splits.map((s): Cell[] => [s.state, s.absolute, s.kappa, s.rms_effective, s.rms_median, s.correlation, s.note]),
    }),
  });
  const segments = record.findings.brittleness.filter((s) => backward(s, 'absolute') !== null);
  if (segments.length === 0) return;
  body.append(tableBox({
    columns: ['segment', 'B_abs', 'kappa, backward sweep', 'rms_eff', 'median rms', 'ln(rms_eff / median rms)'],
    rows: segments.map((s): Cell[] => [s.segment.name + (s.forced ? ' (forced)' : ''), backward(s, 'absolute'), backward(s, 'relative'), s.rms_effective ?? null, s.rms_median ?? null, ln(s.rms_effective, s.rms_median)]),
  }, 'Function and scale by segment, geometric means over the input states of its blocks'));
}
