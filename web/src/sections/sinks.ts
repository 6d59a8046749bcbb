import { paragraph, tableBox } from '../dom';
import { count } from '../format';
import type { Cell } from '../format';
import type { Section } from './section';

export const sinks: Section = {
  id: 'sinks',
  title: 'Massive tokens',
  render(record, body) {
    const { sinks: found, n_massive, n_tokens } = record;
    body.append(paragraph(`${count(n_massive)} of ${count(n_tokens)} tokens are massive, position 0 of each window not counted${n_massive > found.length ? `; the ${found.length} largest are listed` : ''}.`));
    if (found.length === 0) return;
    body.append(tableBox({
      columns: ['document', 'window', 'position', 'token', 'id', 'states', 'dimension', 'peak ratio'],
      rows: found.map((s): Cell[] => [record.documents[s.document]?.name ?? String(s.document), String(s.window), String(s.position), s.text, String(s.token_id), `${s.onset_state} to ${s.offset_state}`, String(s.dimension), s.peak_ratio]),
    }, 'Massive tokens'));
  },
};
