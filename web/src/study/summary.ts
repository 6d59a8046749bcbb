import { h, keyValues, list, paragraph, tableBox } from '../dom';
import { count, interval, kMissing } from '../format';
import type { Cell } from '../format';
import type { Section } from '../sections/section';
import { compareAll } from './beside';
import { familiesOf } from './record';
import type { StudyRecord, Verdict } from './record';

export const kSigns: Record<Verdict['outcome'], string> = { supported: '\u2713 supported', refuted: '\u2717 refuted', undecided: '? undecided' };

function ids(record: StudyRecord, outcome: Verdict['outcome']): string {
  const own = record.verdicts.filter((v) => v.outcome === outcome).map((v) => `${v.id} ${v.title}${v.tag === '' ? '' : ` (${v.tag})`}`);
  return own.length === 0 ? 'none' : own.join('; ');
}

function glance(record: StudyRecord): HTMLElement {
  const differing = compareAll(record).filter((c) => c.differs.length > 0).map((c) => `${c.model} (${c.differs.join(', ')})`);
  const judged = compareAll(record).filter((c) => c.judged).length;
  const rows: [string, string][] = [
    ['Supported', ids(record, 'supported')], ['Refuted', ids(record, 'refuted')], ['Undecided', ids(record, 'undecided')],
    ['Family dominance', record.dominance.map((d) => `${d.family}: ${d.verdict}`).join('; ') || 'not judged'],
    ['Unlike its family', judged === 0 ? 'cannot be told: three models of a family are needed' : differing.join('; ') || `none of the ${judged} models that have two others to be held against`],
  ];
  return h('dl', { class: 'glance' }, ...rows.flatMap(([key, value]) => [h('dt', {}, key), h('dd', {}, value)]));
}

export const summary: Section<StudyRecord> = {
  id: 'summary',
  title: 'In short',
  render(record, body) {
    const { study, members } = record;
    body.append(glance(record));
    const forced = members.filter((m) => m.forced).map((m) => m.model);
    if (forced.length > 0) {
      body.append(h('p', { class: 'forced' }, h('strong', {}, 'Forced splits. '),
        `In ${forced.length} of ${members.length} runs the tests do not select two boundaries (${[...new Set(forced)].join(', ')}); their two-boundary split exists for any model and stands for comparison only. Hollow marks on this page.`));
    }
    body.append(h('h3', {}, 'In words'));
    if (record.sentences.length > 0) body.append(h('ul', { class: 'headline' }, ...record.sentences.map((s) => h('li', {}, s))));
    else body.append(paragraph('The record holds no conclusions.', 'undefined'));
    if (study.source !== '') body.append(paragraph(`Compared with: ${study.source}.`, 'faint'));
    if (study.notes.length > 0) body.append(list(study.notes));
    if (record.warnings.length > 0) body.append(h('h3', {}, 'Warnings'), list(record.warnings));
    body.append(h('h3', {}, 'Study card'), keyValues([
      ['models', String(new Set(members.map((m) => m.model)).size)], ['families', familiesOf(record).join(', ') || kMissing],
      ['texts', [...new Set(members.map((m) => m.text))].join(', ') || kMissing], ['main text', study.main_text || kMissing],
    ]));
  },
};

export const members: Section<StudyRecord> = {
  id: 'models',
  title: 'Models',
  render(record, body) {
    body.append(tableBox({
      columns: ['model', 'family', 'training', 'text', 'blocks', 'width', 'parameters', 'verdict', 'boundaries', 'edges', 'b1', '90% interval', 'b2', '90% interval', 'note'],
      rows: record.members.map((m): Cell[] => {
        const depth = (i: number): Cell[] => { const b = m.boundaries[i]; return b === undefined ? [null, kMissing] : [b.depth, interval(b.depth_interval_90)]; };
        return [m.model, m.family, m.training || kMissing, m.text, m.n_layers, m.hidden, count(m.parameters), m.verdict, m.boundaries.length === 0 ? 'none' : m.forced ? 'forced' : 'selected',
          m.boundaries.map((b) => b.edge).join(', ') || kMissing, ...depth(0), ...depth(1), m.note];
      }),
    }, 'Models'));
  },
};
