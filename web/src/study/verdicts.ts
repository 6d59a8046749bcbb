import { details, h, paragraph, tableBox, undefinedBox } from '../dom';
import { interval, kMissing, num } from '../format';
import type { Cell } from '../format';
import type { Section } from '../sections/section';
import type { StudyRecord, Verdict } from './record';
import { kSigns } from './summary';

const kSets: Record<string, string> = { within_model: 'within models', between_model: 'between models', descriptive: 'descriptive' };

function region(v: Verdict): string {
  const { lo, hi } = v.claimed_region;
  if (lo === null && hi === null) return v.region;
  return lo === null ? `below ${num(hi)}` : hi === null ? `above ${num(lo)}` : `${num(lo)} to ${num(hi)}`;
}

function body_(v: Verdict): (box: HTMLElement) => void {
  return (box) => {
    const rows: [string, string][] = [['Claim', v.claim], ['Statistic', v.statistic], ['Null', v.null], ['Claimed region', v.region], ['Refuted by', v.refuted_by]];
    box.append(h('dl', { class: 'definitions' }, ...rows.flatMap(([key, text]) => [h('dt', {}, key), h('dd', {}, text)])));
    if (v.quantities.length > 0) {
      box.append(tableBox({ columns: ['quantity', 'unit', 'value', '90% interval', 'note'], rows: v.quantities.map((q): Cell[] => [q.name, q.unit, q.value, interval(q.interval_90), q.note]) }, `Quantities of ${v.id}`));
    }
  };
}

export const verdicts: Section<StudyRecord> = {
  id: 'verdicts',
  title: 'Predictions and verdicts',
  render(record, body) {
    if (record.verdicts.length === 0) {
      body.append(undefinedBox('Verdicts', ['the record holds none']));
      return;
    }
    body.append(tableBox({
      columns: ['id', 'prediction', 'outcome', 'effect', 'unit', '90% interval', 'claimed', 'p', 'adjusted p', 'smallest p possible', 'models', 'set'],
      rows: record.verdicts.map((v): Cell[] => [v.id, v.title + (v.forced ? ' (rests on forced splits)' : ''), kSigns[v.outcome] + (v.tag === '' ? '' : `: ${v.tag}`), v.effect, v.effect_unit, interval(v.effect_interval_90), region(v), v.p_value, v.p_adjusted, v.smallest_p,
        v.outcome === 'undecided' && v.models_needed > 0 ? `${v.models} of ${v.models_needed} needed` : String(v.models), kSets[v.set] ?? v.set]),
    }, 'Verdicts'));
    body.append(paragraph(`Supported or refuted takes an adjusted p (Holm, within the set) below ${num(record.study.alpha)} and the claimed region; a test that could not have come out otherwise with this many models is undecided and says how many it needs. A refuted prediction is a successful run.`, 'faint'));
    body.append(h('h3', {}, 'Why, one by one'));
    for (const v of record.verdicts) {
      body.append(h('div', { id: `verdict-${v.id}`, class: `verdict ${v.outcome}` }, h('p', {}, h('strong', {}, `${v.id} ${v.title}: ${kSigns[v.outcome]}${v.tag === '' ? '' : ` (${v.tag})`}. `), v.reason || kMissing),
        details(`Claim, statistic and numbers of ${v.id}`, body_(v))));
    }
  },
};
