import { h, list } from '../dom';
import { kConventions, kDefinitions } from '../signals';
import { unique } from '../record';
import type { Section } from './section';

export const methods: Section = {
  id: 'methods',
  title: 'Methods',
  render(record, body) {
    const present = unique(record.series.map((series) => series.id));
    body.append(h('h3', {}, 'Signals on this page'), h('dl', { class: 'definitions' },
      ...present.flatMap((id) => [h('dt', {}, id), h('dd', {}, kDefinitions[id] ?? 'This page has no definition of it; see the documentation of the version that wrote the record.')])));
    body.append(h('h3', {}, 'Conventions'), list(kConventions));
  },
};
