import { h, keyValues, list, paragraph } from '../dom';
import { count, interval, kMissing, num } from '../format';
import type { Kappa, RunRecord } from '../record';
import { headline, ranked, stateName, tokenWords } from '../record';
import type { Section } from './section';

function segmentsText({ findings }: RunRecord): string {
  const words = findings.segments.map((s) => `${s.name} [${s.begin},${s.end})`).join(', ');
  return words === '' ? 'undefined' : words + (findings.segments_forced ? ' \u2013 forced, not found by the tests' : '');
}

function boundariesText(record: RunRecord): string {
  const found = headline(record);
  if (found === undefined) return 'undefined';
  if (found.selected_k === 0) return `none selected; verdict: ${found.verdict}`;
  return found.boundaries.map((b) => `edge ${b.edge} (90% ${interval(b.interval_90)})`).join(', ');
}

function layersText(record: RunRecord): string {
  const place = (k: Kappa): string => `${stateName(k.state, record.model.n_layers)} (kappa ${num(k.kappa)})`;
  return ranked(record).slice(0, 2).map((k, i) => `${i + 1}. ${place(k)}`).join('; ') || 'undefined';
}

function segmentText({ findings }: RunRecord): string {
  const known = findings.brittleness.filter((b) => b.kappa_geometric !== null).sort((a, b) => (b.kappa_geometric ?? 0) - (a.kappa_geometric ?? 0));
  const most = known[0];
  const least = known[known.length - 1];
  if (most === undefined || least === undefined) return 'undefined';
  const one = (b: typeof most): string => `${b.segment.name} (kappa ${num(b.kappa_geometric)})`;
  return most === least ? one(most) : `most ${one(most)}, least ${one(least)}`;
}

/// exp of the mean loss over scored tokens.
function perplexity({ documents }: RunRecord): string {
  const known = documents.filter((d) => d.nll_nats !== null && d.scored > 0);
  const scored = known.reduce((sum, d) => sum + d.scored, 0);
  return scored === 0 ? kMissing : num(Math.exp(known.reduce((sum, d) => sum + (d.nll_nats ?? 0) * d.scored, 0) / scored));
}

function glance(record: RunRecord): HTMLElement {
  const rows: [string, string][] = [
    ['Boundaries', boundariesText(record)],
    ['Segments', segmentsText(record)],
    ['Most brittle layers', layersText(record)],
    ['Brittle segments', segmentText(record)],
    ['Against its family', 'not on this page, which is about one run: strata compare sets runs side by side'],
  ];
  return h('dl', { class: 'glance' }, ...rows.flatMap(([key, value]) => [h('dt', {}, key), h('dd', {}, value)]));
}

function card({ model, run, documents, n_tokens }: RunRecord, ppl: string): [string, string][] {
  return [
    ['model', String(model.name)], ['blocks', String(model.n_layers)], ['width', String(model['hidden'] ?? kMissing)],
    ['parameters', typeof model['parameters'] === 'number' ? count(model['parameters']) : kMissing],
    ['text', String(run['corpus_name'] ?? kMissing)], ['documents', String(documents.length)], ['tokens', count(n_tokens)], ['perplexity', ppl],
  ];
}

export const summary: Section = {
  id: 'summary',
  title: 'In short',
  render(record, body) {
    const { sentences, segments_forced } = record.findings;
    body.append(glance(record));
    if (segments_forced) {
      body.append(h('p', { class: 'forced' }, h('strong', {}, 'Forced split. '),
        'The tests do not select two boundaries; the segments shown on this page are the best two-boundary split, for comparison only.'));
    }
    body.append(h('h3', {}, 'In words'));
    if (sentences.length > 0) body.append(h('ul', { class: 'headline' }, ...sentences.map((s) => h('li', {}, s))));
    else body.append(paragraph('The record holds no conclusions.', 'undefined'));
    const found = headline(record);
    if (found !== undefined) {
      body.append(paragraph(`Headline: detector ${found.detector}, ${tokenWords(found.tokens)}; verdict: ${found.verdict}.`, 'faint'));
    }
    body.append(h('h3', {}, 'Run card'), keyValues(card(record, perplexity(record))), h('p', { class: 'faint' }, 'All of it, and the command that repeats the run: ', h('a', { href: '#run' }, 'Run card'), '.'));
    if (record.warnings.length > 0) body.append(h('h3', {}, 'Warnings'), list(record.warnings));
  },
};
