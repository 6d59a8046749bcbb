import { h, keyValues, list, paragraph, tableBox } from '../dom';
import { count, interval, kMissing, num } from '../format';
import type { Cell } from '../format';
import { blocksOf } from '../record';
import type { Section } from '../sections/section';
import { compareAll } from './beside';
import type { Compared } from './beside';
import { familiesOf, mainMembers } from './record';
import type { Member, StudyRecord, Verdict } from './record';

export const kSigns: Record<Verdict['outcome'], string> = { supported: '\u2713 supported', refuted: '\u2717 refuted', undecided: '? undecided', moot: '\u2013 moot' };

function ids(record: StudyRecord, outcome: Verdict['outcome']): string {
  const own = record.verdicts.filter((v) => v.outcome === outcome).map((v) => `${v.id} ${v.title}${v.tag === '' ? '' : ` (${v.tag})`}`);
  return own.length === 0 ? 'none' : own.join('; ');
}

/// "1 of llama, 2 of qwen": models on the main text.
function sizes(record: StudyRecord): string {
  const all = mainMembers(record);
  return familiesOf(record).map((family) => `${all.filter((m) => m.family === family).length} of ${family}`).join(', ');
}

function glance(record: StudyRecord, compared: Compared[]): HTMLElement {
  const differing = compared.filter((c) => c.differs.length > 0).map((c) => `${c.model} (${c.differs.join(', ')})`);
  const judged = compared.filter((c) => c.judged).length;
  const rows: [string, string][] = [
    ['Unlike its family', judged === 0 ? `cannot be told: at least three models of a family are needed; here: ${sizes(record) || 'none'}` : differing.join('; ') || `none of the ${judged} models that have two others to be held against`],
    ['Family dominance', record.dominance.map((d) => `${d.family}: ${d.verdict}`).join('; ') || 'not judged'],
    ['Supported predictions', ids(record, 'supported')], ['Refuted', ids(record, 'refuted')], ['Undecided', ids(record, 'undecided')], ['Moot', ids(record, 'moot')],
  ];
  return h('dl', { class: 'glance' }, ...rows.flatMap(([key, value]) => [h('dt', {}, key), h('dd', {}, value)]));
}

/// The inputs of blocks with the largest kappa, the largest first.
function brittlest(m: Member): string {
  const known = m.ln_kappa.flatMap((v, block) => (v === null ? [] : [{ v, block }])).sort((a, b) => b.v - a.v).slice(0, 2);
  return known.length === 0 ? 'kappa undefined' : `most brittle at the input of ${known.map(({ block, v }) => `block ${block} (kappa ${num(Math.exp(v))})`).join(' and ')}`;
}

function oneLine(m: Member, compared: Compared | undefined): HTMLElement {
  const found = m.forced ? `no two boundaries found (${m.verdict})`
    : m.boundaries.length === 0 ? `no boundaries${m.note === '' ? '' : `: ${m.note}`}` : `boundaries at edges ${m.boundaries.map((b) => b.edge).join(' and ')}`;
  const parts = m.segments.map((s) => `${s.segment.name}: ${blocksOf(s.segment)}`).join(', ');
  const unlike = compared === undefined || !compared.judged ? 'against its family: cannot be told' : compared.differs.length === 0 ? 'like its family' : `unlike its family in ${compared.differs.join(', ')}`;
  return h('li', {}, h('strong', {}, m.model), ` (${m.family}): ${found}${parts === '' ? '' : ` (${parts})`}; ${brittlest(m)}; ${unlike}.`);
}

export const summary: Section<StudyRecord> = {
  id: 'summary',
  title: 'In short',
  render(record, body) {
    const { study, members } = record;
    const compared = compareAll(record);
    body.append(glance(record, compared), h('p', { class: 'faint' }, 'T1 to T10 are predictions of a theory, put to the test on these runs: ', h('a', { href: '#verdicts' }, 'Predictions and verdicts'), '. Undecided means that these runs cannot tell; moot, that the prediction is about boundaries and too few of these models have two.'));
    const forced = members.filter((m) => m.forced).map((m) => m.model);
    if (forced.length > 0) {
      body.append(h('p', { class: 'forced' }, h('strong', {}, 'No two boundaries. '),
        `In ${forced.length} of ${members.length} runs the tests do not select two boundaries (${[...new Set(forced)].join(', ')}). Their best two-boundary split exists in any model: no verdict and no family figure rests on it. It is described under `, h('a', { href: '#forced' }, 'Forced splits'), '.'));
    }
    const shown = mainMembers(record);
    if (shown.length > 0) body.append(h('h3', {}, `The models, on the text ${study.main_text}`), h('ul', {}, ...shown.map((m, i) => oneLine(m, compared[i]))), paragraph('kappa says how fast the prediction moves under small noise relative to each token\u2019s size: larger is more brittle. It is that of the backward sweep where a run has one, and may differ from kappa on the run\u2019s own page within the errors.', 'faint'));
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
        return [m.model, m.family, m.training || kMissing, m.text, m.n_layers, m.hidden, count(m.parameters), m.verdict, m.boundaries.length === 0 ? 'none' : 'selected',
          m.boundaries.map((b) => b.edge).join(', ') || kMissing, ...depth(0), ...depth(1), m.note];
      }),
    }, 'Models'));
  },
};
