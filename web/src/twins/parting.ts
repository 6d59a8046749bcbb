import { paragraph, undefinedBox } from '../dom';
import type { Cell } from '../format';
import { panelsHeight, panelsOption, wantsLog } from '../panels';
import type { DepthPanel, Line } from '../panels';
import { addPlot } from '../plot';
import { finite } from '../record';
import type { Section } from '../sections/section';
import type { Estimate, TwinRecord } from './record';

function line(name: string, values: Estimate[]): Line[] {
  const y = values.map((e) => e.mean);
  return finite(y).length === 0 ? [] : [{ name, x: values.map((_, i) => i), y, error: values.map((e) => e.standard_error) }];
}

function panel(title: string, ordinary: Estimate[], all: Estimate[]): DepthPanel[] {
  const lines = [...line('ordinary tokens', ordinary), ...line('all tokens', all)];
  return lines.length === 0 ? [] : [{ title, lines, log: wantsLog(lines.flatMap((l) => l.y)) }];
}

export const parting: Section<TwinRecord> = {
  id: 'parting',
  title: 'Where they part',
  render(record, body) {
    const f = record.findings;
    const first = panel('relative difference of the states (1)', f.relative_difference, f.relative_difference_all);
    const panels = [
      ...first.map((p) => ({ ...p, level: { at: f.threshold, name: `threshold ${f.threshold}` } })),
      ...panel('1 - cosine of the states (1)', f.cosine_distance, f.cosine_distance_all),
      ...panel('error that the block itself adds (1)', f.local_error, f.local_error_all),
    ];
    if (f.identical || panels.length === 0) {
      body.append(f.identical ? paragraph('The two models are identical on this text: no state and no logit differs in any bit.') : undefinedBox('Differences over depth', ['no document has a value']));
      return;
    }
    addPlot(body, {
      id: 'parting',
      title: 'Difference of the two models over depth',
      linked: true,
      how: 'First panel: length of the difference of a state over the length of the original\u2019s; damage begins where the lower end of its interval passes the dashed threshold. Last panel: both blocks on the original\u2019s input, so what each block adds by itself. Bands: \u00b12 standard errors over documents.',
      label: f.begins_at_state < 0 ? 'The relative difference nowhere exceeds the threshold for certain.' : `The relative difference exceeds ${f.threshold} from state ${f.begins_at_state} on. The values are in the data table.`,
      height: () => panelsHeight(panels),
      option: (context) => panelsOption({ model: record.original, segments: [] }, panels, context, 'block (or state index)') as never,
      table: () => ({
        columns: ['index', 'relative_difference', 'se', 'relative_difference_all', 'se_all', 'cosine_distance', 'local_error', 'differing_tokens'],
        rows: f.relative_difference.map((e, i): Cell[] => [i, e.mean, e.standard_error, f.relative_difference_all[i]?.mean ?? null, f.relative_difference_all[i]?.standard_error ?? null, f.cosine_distance[i]?.mean ?? null, f.local_error[i]?.mean ?? null, record.differing_tokens[i] ?? null]),
      }),
    });
  },
};
