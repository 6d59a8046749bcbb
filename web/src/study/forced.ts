// What the best two-boundary split of each model looks like, whatever the tests select: description, no evidence.
import { details, paragraph, tableBox, undefinedBox } from '../dom';
import { interval, kMissing, num } from '../format';
import type { Cell } from '../format';
import type { Section } from '../sections/section';
import { exp } from './record';
import type { StudyRecord } from './record';

export const forced: Section<StudyRecord> = {
  id: 'forced',
  title: 'Forced splits (description only)',
  render(record, body) {
    const members = record.members.filter((m) => m.forced_boundaries.length > 0);
    if (members.length === 0) {
      body.append(undefinedBox('Forced splits', ['the record holds none']));
      return;
    }
    body.append(paragraph('Every model has a best split at two edges, smooth curves and random weights included. It says nothing about whether there are boundaries, so no p-value and no verdict rests on this section.', 'faint'));
    body.append(tableBox({
      columns: ['model', 'family', 'text', 'the tests select', 'edges', 'b1', '90% interval', 'b2', '90% interval', 'kappa Local', 'Intermediate', 'Global'],
      rows: members.map((m): Cell[] => [m.model, m.family, m.text, m.verdict, m.forced_boundaries.map((b) => b.edge).join(', '),
        ...m.forced_boundaries.flatMap((b): Cell[] => [b.depth, interval(b.depth_interval_90)]), ...['Local', 'Intermediate', 'Global'].map((name): Cell => exp(m.forced_segments.find((s) => s.segment.name === name)?.ln_kappa ?? null))]),
    }, 'Forced splits of each run'));
    const { families, gaps, distances } = record.forced_splits;
    body.append(details('By family, between families and between detectors', (box) => {
      if (families.length > 0) {
        box.append(tableBox({
          columns: ['family', 'quantity', 'models', 'mean', 'SD', 'CV', 'SD of smooth models'],
          rows: families.map((x): Cell[] => [x.family, x.quantity, x.models, x.mean, x.sd, x.cv, x.smooth_sd]),
        }, 'Forced splits by family'));
      }
      if (gaps.length > 0) {
        box.append(tableBox({
          columns: ['families', 'segment', 'relative noise', 'scale', 'absolute noise'],
          rows: gaps.map((g): Cell[] => [`${g.family} / ${g.against}`, g.segment, exp(g.ln_kappa), exp(g.scale), exp(g.ln_absolute)]),
        }, 'Gaps between families in segments of forced splits, as factors'));
      }
      if (distances.length > 0) {
        box.append(tableBox({
          columns: ['model', 'mean |db| between the detectors'],
          rows: distances.map((q): Cell[] => [q.name, q.value === null ? kMissing : num(q.value)]),
        }, 'Distance between the forced splits of the detectors, in relative depth'));
      }
    }));
  },
};
