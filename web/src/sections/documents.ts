import { details, tableBox } from '../dom';
import type { Cell, Table } from '../format';
import type { Section } from './section';

const kShown = 12;

export const documents: Section = {
  id: 'documents',
  title: 'Documents',
  render(record, body) {
    const table: Table = {
      columns: ['document', 'bytes', 'tokens', 'scored', 'windows', 'dropped tokens', 'NLL (nats)', 'perplexity', 'tokens in lanes'],
      rows: record.documents.map((d): Cell[] => [d.name, d.bytes, d.tokens, d.scored, d.windows, d.dropped_tokens, d.nll_nats, d.nll_nats === null ? null : Math.exp(d.nll_nats), d.lane_tokens]),
    };
    if (table.rows.length <= kShown) body.append(tableBox(table, 'Documents'));
    else body.append(details(`${table.rows.length} documents`, (box) => box.append(tableBox(table, 'Documents'))));
  },
};
