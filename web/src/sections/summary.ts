import { h, keyValues, list, paragraph } from '../dom';
import { count, interval, kMissing, num } from '../format';
import { hasHead, measureOf, ranked, segmentSensitivities } from '../measure';
import type { Kappa, RunRecord } from '../record';
import { blocksOf, headline, shuffled, stateName, tokenWords, unique } from '../record';
import type { Section } from './section';

function segmentsText({ findings }: RunRecord): string {
  const words = findings.segments.map((s) => `${s.name}: ${blocksOf(s)}`).join('; ');
  if (words === '') return 'undefined';
  return findings.segments_forced ? `not found by the tests; forced into two boundaries they would be ${words}` : words;
}

function boundariesText(record: RunRecord): string {
  const found = headline(record);
  if (found === undefined) return 'undefined';
  if (found.selected_k > 0) {
    return `${found.selected_k}: ` + found.boundaries.map((b) => `between blocks ${b.edge - 1} and ${b.edge} (edge ${b.edge}, 90% ${interval(b.interval_90)})`).join('; ');
  }
  const [first] = [...found.forced_two].filter((e) => e.p_value !== null && e.p_value !== undefined).sort((a, b) => (a.p_value ?? 1) - (b.p_value ?? 1));
  return first === undefined ? `none found; verdict: ${found.verdict}`
    : `none found; the strongest edge, ${first.edge}, has p\u00a0=\u00a0${num(first.p_value)} (${first.found_by ?? ''})`;
}

/// What changes at each boundary.
function edgesText({ findings }: RunRecord): [string, string][] {
  const found = (findings.edge_changes ?? []).filter((c) => !c.forced);
  return found.map((c) => [`Edge ${c.edge}`, c.sentence.replace(/^Edge \d+: /, '')]);
}

/// States that the second in rank is not clearly above: within two standard errors of the difference.
function rivals(record: RunRecord): string {
  const [, second, ...others] = ranked(record);
  if (second === undefined) return '';
  const near = others.filter((k) => second.kappa - k.kappa < 2 * Math.hypot(second.standard_error ?? 0, k.standard_error ?? 0)).map((k) => k.state).sort((a, b) => a - b);
  if (near.length === 0) return '';
  return `; within two standard errors of the second: ${near.length > 6 ? `${near.length} other states` : `state${near.length > 1 ? 's' : ''} ${near.join(', ')}`}`;
}

function layersText(record: RunRecord): string {
  const layers = record.model.n_layers;
  const place = (k: Kappa): string => (k.state === layers ? `the output of block ${layers - 1}, the last` : stateName(k.state, layers));
  return ranked(record).slice(0, 2).map((k, i) => `${i + 1}. ${place(k)} (state ${k.state}, ${measureOf(record).sensitivity} ${num(k.kappa)})`).join('; ') + rivals(record) || 'undefined';
}

function segmentText(record: RunRecord): string {
  const known = segmentSensitivities(record).filter((b) => b.kappa_geometric !== null).sort((a, b) => (b.kappa_geometric ?? 0) - (a.kappa_geometric ?? 0));
  const most = known[0];
  const least = known[known.length - 1];
  if (most === undefined || least === undefined) return 'undefined';
  const one = (b: typeof most): string => `${b.segment.name} (${measureOf(record).sensitivity} ${num(b.kappa_geometric)}, 90% ${interval(b.kappa_interval_90)})`;
  return most === least ? one(most) : `most: ${one(most)}; least: ${one(least)}`;
}

/// Where the headline's detector stands among networks with random weights.
function randomText(record: RunRecord): [string, string][] {
  const found = headline(record);
  const twins = record.findings.random_twins?.find((t) => t.defined && t.detector === found?.detector && t.tokens === found.tokens);
  if (twins === undefined) return [];
  const n = twins.statistic.length;
  if (n < 19) {  // too few for a test
    const says = unique(twins.verdict).join('; ');
    return [['Against random weights', n === 1 ? `one network that has learnt nothing: ${says}` : `${n} networks that have learnt nothing: ${says}; the strongest evidence here is above that of ${n + 1 - twins.rank} of them`]];
  }
  return [['Against random weights', `the strongest evidence is above that of ${n + 1 - twins.rank} of ${n} networks that have learnt nothing (p\u00a0=\u00a0${num(twins.p_value)})`]];
}

/// How much of the profile is left on shuffled text.
function shuffledText(record: RunRecord): [string, string][] {
  const profile = shuffled(record);
  const words = { same: 'much the same profile', partly: 'partly the same profile', different: 'another profile' }[profile?.likeness ?? ''];
  if (profile === undefined || words === undefined) return [];
  return [['Against shuffled text', `${words}: median correlation ${num(profile.median_correlation, 2)} over ${profile.compared} signals, median difference ${num(100 * (profile.median_difference ?? 0), 2)}% of a signal\u2019s range`]];
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
    ...edgesText(record),
    ['Segments', segmentsText(record)],
    ['Most brittle layers', layersText(record)],
    ['Brittle segments', segmentText(record)],
    ...shuffledText(record),
    ...randomText(record),
    ['Against its family', 'cannot be told from one run: strata compare sets runs side by side'],
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
    body.append(glance(record), paragraph(`${hasHead(record) ? 'kappa says how fast the prediction of the next token moves' : 'The model has no head: the sensitivity says how fast its embedding moves'} under small noise, relative to the size of each token\u2019s state: larger is more brittle. Blocks are numbered from 0.`, 'faint'));
    if (record.findings.segments_forced) {
      body.append(h('p', { class: 'forced' }, h('strong', {}, 'Forced split. '),
        'The tests do not select two boundaries; the segments shown on this page are the best two-boundary split, which exists for any model, for comparison only.'));
    }
    if (record.warnings.length > 0) body.append(h('h3', {}, 'Warnings'), list(record.warnings));
  },
};

export const words: Section = {
  id: 'words',
  title: 'In words',
  render(record, body) {
    const { sentences } = record.findings;
    if (sentences.length > 0) body.append(h('ul', { class: 'headline' }, ...sentences.map((s) => h('li', {}, s))));
    else body.append(paragraph('The record holds no conclusions.', 'undefined'));
    const found = headline(record);
    if (found !== undefined) {
      body.append(paragraph(`Headline: detector ${found.detector}, ${tokenWords(found.tokens)}; verdict: ${found.verdict}.`, 'faint'));
    }
    body.append(h('h3', {}, 'What was run'), keyValues(card(record, perplexity(record))), h('p', { class: 'faint' }, 'All of it, and the command that repeats the run: ', h('a', { href: '#run' }, 'Run card'), '.'));
  },
};
