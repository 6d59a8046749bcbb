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
  if (v.claimed_outside) return `below ${num(lo)} or above ${num(hi)}`;
  return lo === null ? `below ${num(hi)}` : hi === null ? `above ${num(lo)}` : `${num(lo)} to ${num(hi)}`;
}

function body_(v: Verdict): (box: HTMLElement) => void {
  return (box) => {
    const rows: [string, string][] = [['Claim', v.claim], ['Statistic', v.statistic], ['Null', v.null], ['Claimed region', v.region], ['Refuted by', v.refuted_by]];
    box.append(h('dl', { class: 'definitions' }, ...rows.flatMap(([key, text]) => [h('dt', {}, key), h('dd', {}, text)])));
    const needed = v.models_needed > 0 ? `; ${v.models_needed}${v.set === 'between_model' ? ' in each family' : ''} are needed` : '';
    if (v.models_tested > 0) {
      const power = v.power === null ? 'how often they would if two were there is not in these records' : `if two were there they would in ${num(100 * v.power, 2)}% of cases`;
      box.append(paragraph(`The tests select two boundaries in ${v.models_selected} of ${v.models_tested} ${v.id === 'T10' ? 'runs' : 'models'}; ${power}.`));
    }
    box.append(paragraph(`Tested ${kSets[v.set] ?? v.set}, on ${v.models} models${needed}. p = ${num(v.p_value)}, adjusted ${num(v.p_adjusted)}, smallest that the data allow ${num(v.smallest_p)}.`));
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
      columns: ['id', 'prediction', 'outcome', 'effect', '90% interval', 'claimed', 'adjusted p', 'models'],
      rows: record.verdicts.map((v): Cell[] => [v.id, v.title, kSigns[v.outcome] + (v.tag === '' ? '' : `: ${v.tag}`) + (v.forced ? ' (on forced splits)' : ''), `${num(v.effect)} ${v.effect === null ? '' : v.effect_unit}`, interval(v.effect_interval_90), region(v), v.p_adjusted, String(v.models)]),
    }, 'Verdicts'));
    body.append(paragraph(`p is adjusted by Holm\u2019s method within its set of tests; alpha is ${num(record.study.alpha)}. Undecided means that these data cannot tell, not that the claim is wrong. Moot means that the claim is about boundaries, and the tests select two in too few models for it to be judged. A refuted prediction is a successful run.`, 'faint'));
    body.append(h('h3', {}, 'Why, one by one'));
    for (const v of record.verdicts) {
      body.append(h('div', { id: `verdict-${v.id}`, class: `verdict ${v.outcome}` }, h('p', {}, h('strong', {}, `${v.id} ${v.title}: ${kSigns[v.outcome]}${v.tag === '' ? '' : ` (${v.tag})`}. `), v.reason || kMissing),
        details(`Claim, statistic and numbers of ${v.id}`, body_(v))));
    }
  },
};
