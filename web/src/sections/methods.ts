import { h, list } from '../dom';
import { kConventions, kDefinitions, kInterventions } from '../signals';
import { unique } from '../record';
import type { Section } from './section';

function define(body: HTMLElement, title: string, present: string[], definitions: Record<string, string>): void {
  if (present.length === 0) return;
  body.append(h('h3', {}, title), h('dl', { class: 'definitions' },
    ...present.flatMap((id) => [h('dt', {}, id), h('dd', {}, definitions[id] ?? 'This page has no definition of it; see the documentation of the version that wrote the record.')])));
}

export const methods: Section = {
  id: 'methods',
  title: 'Methods',
  render(record, body) {
    define(body, 'Signals on this page', unique(record.series.map((series) => series.id)), kDefinitions);
    define(body, 'Interventions on this page', unique(record.curves.map((curve) => curve.intervention)), kInterventions);
    body.append(h('h3', {}, 'Conventions'), list(kConventions));
  },
};
