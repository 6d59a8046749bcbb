import { h, keyValues, list, paragraph } from '../dom';
import { num } from '../format';
import type { Section } from '../sections/section';
import type { StudyRecord } from './record';

const kFiles: [string, string][] = [
  ['study.json', 'everything on this page, in full'], ['families.csv', 'figures of and between families'], ['verdicts.csv', 'one row for each prediction'],
];

const kMethods: string[] = [
  'Relative depth of a boundary: edge / L. Boundaries, segments and every verdict are of the split that the tests selected, where they selected two boundaries; forced splits stand apart and are description only.',
  'Brittleness of a segment: geometric mean of kappa over the input states of its blocks. Under absolute noise ln = ln kappa + scale, exactly, with scale = -2 ln of the effective rms.',
  'Family figures are over models on the main text; the models of a family are taken as a sample of it.',
  'The labels of families are exchanged for the p of between-model tests; with few models few labelings exist, and the smallest p possible is printed beside.',
  'Interval: 90%, over documents for one model, over models for families. p adjusted by Holm\u2019s method within the set of tests.',
];

export const card: Section<StudyRecord> = {
  id: 'run',
  title: 'Study card and methods',
  render(record, body) {
    const { study } = record;
    body.append(list(kMethods), h('h3', {}, 'Study'), keyValues([
      ['name', study.name], ['seed', study.seed], ['alpha', num(study.alpha)], ['resamples', String(study.resamples)], ['labelings at most', String(study.permutations)],
      ['main text', study.main_text], ['stable family (T4)', study.stable_family || 'none'], ['variable family (T5)', study.variable_family || 'none'], ['strata', study.tool_version],
    ]), h('h3', {}, 'Command'), h('pre', { tabindex: '0', 'aria-label': 'Command' }, record.command),
    h('h3', {}, 'Files beside this page'), h('ul', {}, ...kFiles.map(([name, what]) => h('li', {}, h('a', { href: name }, name), `: ${what}`))),
    paragraph('Numbers on this page are rounded to six digits; the files hold them in full.', 'faint'));
  },
};
