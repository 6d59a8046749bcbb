import { h, paragraph, undefinedBox } from '../dom';
import { percent } from '../format';
import type { Cell, Table } from '../format';
import { hasHead } from '../measure';
import { csvButton } from '../plot';
import type { LensPassage, RunRecord } from '../record';
import { kCividis } from '../theme';
import type { Section } from './section';

/// A token as it can be seen: spaces and line ends are marked.
function visible(text: string): string {
  return text.replace(/ /g, '\u00b7').replace(/\n/g, '\u21b5') || '\u2205';
}

/// Background for a probability, and the text colour that can be read on it.
function shade(p: number): string {
  const i = Math.max(0, Math.min(9, Math.floor(p * 10)));
  return `background:${kCividis[i] ?? '#888888'};color:${i < 5 ? '#ffffff' : '#000000'}`;
}

interface Texts { of: (id: number) => string }

function textsOf(passage: LensPassage): Texts {
  const known = new Map(passage.vocabulary.map(({ id, text }) => [id, text]));
  return { of: (id) => known.get(id) || `#${id}` };
}

function tableOf(passage: LensPassage, texts: Texts): Table {
  return {
    columns: ['state', 'position', 'token', 'next_token', 'top_token', 'probability'],
    rows: passage.rows.flatMap((row, state) => row.token_id.map((id, t): Cell[] => {
      const next = passage.token_id[t + 1];
      return [state, t, texts.of(passage.token_id[t] ?? -1), next === undefined ? '' : texts.of(next), texts.of(id), row.probability[t] ?? null];
    })),
  };
}

function grid(passage: LensPassage, texts: Texts, label: string): HTMLElement {
  const final = passage.rows[passage.rows.length - 1];
  const head = (name: string, ids: (number | undefined)[]) => h('tr', {}, h('th', { scope: 'row', class: 'corner' }, name),
    ...ids.map((id) => h('th', { scope: 'col' }, id === undefined ? '' : visible(texts.of(id)))));
  const rows = passage.rows.map((row, state) => h('tr', {}, h('th', { scope: 'row' }, `state ${state}`), ...row.token_id.map((id, t) => {
    const p = row.probability[t] ?? null;
    const same = id === final?.token_id[t];
    return h('td', {
      style: p === null ? '' : shade(p), ...(same ? { class: 'same' } : {}),
      title: `state ${state}, after ${JSON.stringify(texts.of(passage.token_id[t] ?? -1))}: ${JSON.stringify(texts.of(id))} at ${percent(p)}`,
    }, visible(texts.of(id)));
  })));
  return h('div', { class: 'table lens', tabindex: '0', role: 'region', 'aria-label': label },
    h('table', {}, h('thead', {}, head('token', passage.token_id), head('next', passage.token_id.map((_, t) => passage.token_id[t + 1]))), h('tbody', {}, ...rows.reverse())));
}

function add(record: RunRecord, body: HTMLElement, passage: LensPassage, index: number): void {
  const texts = textsOf(passage);
  const document_ = record.documents[passage.document]?.name ?? String(passage.document);
  const label = `Most likely next token at each state, ${document_}, window ${passage.window}`;
  const data = csvButton(`lens-${index}`, label, () => tableOf(passage, texts));
  body.append(h('div', { class: 'figure-head' }, h('h3', {}, label), h('span', { class: 'tools' }, data)), grid(passage, texts, label));
}

export const lens: Section = {
  id: 'lens',
  title: 'What each state would say next',
  render(record, body) {
    const shown = (record.lens_passages ?? []).filter((p) => p.rows.length > 0 && p.token_id.length > 0);
    if (shown.length === 0) {
      body.append(undefinedBox('Logit lens of a passage', [hasHead(record) ? 'the record holds none (an older version wrote it, or --signals left lens_passage out)' : String(record.model['no_head'])]));
      return;
    }
    body.append(paragraph('Columns are the tokens of a passage, rows the states, the last one on top. A cell is the most likely next token if the state were the last: the state through the final norm and the unembedding. Brighter is more probable (from 0 to 1); a bold frame marks the token that the model says in the end. \u00b7 stands for a space.', 'faint'));
    shown.forEach((passage, i) => add(record, body, passage, i));
  },
};
