import { h, list, paragraph } from '../dom';
import { tokenWords, headline } from '../record';
import type { Section } from './section';

export const summary: Section = {
  id: 'summary',
  title: 'In short',
  render(record, body) {
    const { sentences, segments_forced } = record.findings;
    if (sentences.length > 0) body.append(h('ul', { class: 'headline' }, ...sentences.map((s) => h('li', {}, s))));
    else body.append(paragraph('The record holds no conclusions.', 'undefined'));
    if (segments_forced) {
      body.append(h('p', { class: 'forced' }, h('strong', {}, 'Forced split. '),
        'The tests do not select two boundaries; the segments shown on this page are the best two-boundary split, for comparison only.'));
    }
    const found = headline(record);
    if (found !== undefined) {
      body.append(paragraph(`Headline: detector ${found.detector}, ${tokenWords(found.tokens)}; verdict: ${found.verdict}.`, 'faint'));
    }
    if (record.warnings.length > 0) body.append(h('h3', {}, 'Warnings'), list(record.warnings));
  },
};
