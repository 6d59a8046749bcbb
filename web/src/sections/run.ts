import { h, keyValues, paragraph } from '../dom';
import { kMissing } from '../format';
import type { Card } from '../record';
import type { Section } from './section';

const kFiles: [string, string][] = [
  ['results.json', 'everything, per document'],
  ['states.csv', 'one row for each state'],
  ['blocks.csv', 'one row for each block'],
  ['edges.csv', 'one row for each edge'],
  ['brittleness.csv', 'one row for each intervention, place and strength'],
  ['rate_distortion.csv', 'one row for each state and noise level'],
  ['arrays.npz', 'CKA matrices, replicates, null samples'],
  ['manifest.json', 'command, digests, timings'],
];

/// A card as names and values.
export function pairs(card: Card): [string, string][] {
  return Object.entries(card).map(([key, value]) => {
    const text = typeof value === 'boolean' ? (value ? 'yes' : 'no') : typeof value === 'number' ? value.toLocaleString('en-US', { maximumSignificantDigits: 9 }) : String(value ?? kMissing);
    return [key.replace(/_/g, ' '), text === '' ? kMissing : text];
  });
}

export const run: Section = {
  id: 'run',
  title: 'Run card',
  render(record, body) {
    body.append(h('h3', {}, 'Model'), keyValues(pairs(record.model)), h('h3', {}, 'Run'), keyValues(pairs(record.run)),
      h('h3', {}, 'Command'), h('pre', { tabindex: '0', 'aria-label': 'Command' }, record.command),
      h('h3', {}, 'Files beside this page'),
      h('ul', {}, ...kFiles.map(([name, what]) => h('li', {}, h('a', { href: name }, name), `: ${what}`))),
      paragraph('Numbers on this page are rounded to six digits; the files hold them in full.', 'faint'));
  },
};
