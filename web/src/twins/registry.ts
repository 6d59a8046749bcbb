// The sections of a comparison of two twins, in order.
import { h, keyValues, list, paragraph, tableBox } from '../dom';
import { count, interval, kMissing, num, percent } from '../format';
import type { Cell } from '../format';
import type { Page } from '../page';
import { licences } from '../sections/licences';
import { pairs } from '../sections/run';
import type { Section } from '../sections/section';
import { parting } from './parting';
import { parts } from './parts';
import { partName } from './record';
import type { TwinRecord } from './record';

function begins({ findings: f, original }: TwinRecord): string {
  if (f.identical) return 'nowhere: identical on this text';
  if (f.begins_at_state < 0) return `nowhere: no state differs by more than ${num(f.threshold)} for certain`;
  const place = f.begins_at_state === 0 ? 'the embedding' : `block ${f.begins_at_state - 1}`;
  return `state ${f.begins_at_state} of ${original.n_layers}, the output of ${place} (relative difference above ${num(f.threshold)})`;
}

const summary: Section<TwinRecord> = {
  id: 'summary',
  title: 'In short',
  render(record, body) {
    const f = record.findings;
    const worst = [...f.parts].filter((p) => (p.kl_nats.mean ?? 0) > 0).sort((a, b) => a.rank - b.rank).slice(0, 2);
    const rows: [string, string][] = [
      ['Damage begins', begins(record)],
      ['Most damaging parts', worst.map((p) => `${p.rank}. ${partName(p)} (${num(p.kl_nats.mean)} nats, ${percent(p.share)} of the sum)`).join('; ') || 'none'],
      ['KL to the original', `${num(f.kl_nats.mean)} nats per token (90% ${interval(f.kl_nats.interval_90)})`],
      ['Same most likely token', `${percent(f.same_top.mean)} of positions`],
      ['Perplexity', `${num(f.perplexity_original)} to ${num(f.perplexity_other)}`],
    ];
    body.append(h('dl', { class: 'glance' }, ...rows.flatMap(([key, value]) => [h('dt', {}, key), h('dd', {}, value)])));
    body.append(paragraph('KL: by how many nats per token the other model\u2019s predictions are worse than the original\u2019s own; 0 means no difference. The damage of a part is that of the original with this part alone taken from the other model.', 'faint'));
    if (f.sentences.length > 0) body.append(h('h3', {}, 'In words'), h('ul', { class: 'headline' }, ...f.sentences.map((s) => h('li', {}, s))));
    else body.append(paragraph('The record holds no conclusions.', 'undefined'));
    if (record.warnings.length > 0) body.append(h('h3', {}, 'Warnings'), list(record.warnings));
  },
};

const documents: Section<TwinRecord> = {
  id: 'documents',
  title: 'Documents',
  render(record, body) {
    body.append(tableBox({
      columns: ['document', 'tokens', 'scored', 'KL (nats)', 'same token', 'NLL, original', 'NLL, other', 'scored in lanes'],
      rows: record.documents.map((d): Cell[] => [d.name, count(d.tokens), count(d.scored), d.kl_nats, percent(d.same_top), d.nll_original_nats, d.nll_other_nats, d.lane_scored]),
    }, 'Documents'));
  },
};

const kFiles: [string, string][] = [['divergence.json', 'everything, per document'], ['divergence.csv', 'the tables of this page'], ['manifest.json', 'command, digests, timings']];

const run: Section<TwinRecord> = {
  id: 'run',
  title: 'Run card and methods',
  render(record, body) {
    body.append(list([
      'State i is the input of block i; state L is the output of the last block, before the final norm. Both models read the same token ids.',
      'Relative difference: |h\u2019 - h| / |h|, h a state of the original, h\u2019 of the other model. Sink tokens (position 0 and massive activations of the original) are left out of "ordinary tokens".',
      'Error of a block by itself: |block\u2019(h) - block(h)| / |block(h) - h|, both blocks on the original\u2019s state.',
      'Damage of a part alone: the original with that one part (embedding, a block, the head) taken from the other model.',
      'Means over documents, weighted by tokens; intervals are 90%, over documents.',
    ]), h('h3', {}, 'Original'), keyValues(pairs(record.original)), h('h3', {}, 'Other'), keyValues(pairs(record.other)), h('h3', {}, 'Run'), keyValues(pairs(record.run)),
    h('h3', {}, 'Command'), h('pre', { tabindex: '0', 'aria-label': 'Command' }, record.command || kMissing),
    h('h3', {}, 'Files beside this page'), h('ul', {}, ...kFiles.map(([name, what]) => h('li', {}, h('a', { href: name }, name), `: ${what}`))));
  },
};

export const kTwinPage: Page<TwinRecord> = {
  title: ({ original, other }) => `${other.name} against ${original.name}`,
  subtitle: ({ original, documents: docs, run: card }) => `${original.n_layers} blocks; ${docs.length} documents of ${String(card['corpus_name'] ?? '')}; strata ${String(card['tool_version'] ?? '')}`,
  sections: [summary, parting, parts, documents, run, licences],
};
