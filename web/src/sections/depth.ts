import { addDepthPlot, isDefined, notes, panelsOf } from '../depth_plot';
import type { Panel } from '../depth_plot';
import { details, h, list, undefinedBox } from '../dom';
import { setShowAll } from '../plot';
import type { RunRecord } from '../record';
import { finite, unique } from '../record';
import { kGroups } from '../signals';
import type { Section } from './section';

function toggle(): HTMLElement {
  const box = h('input', { type: 'checkbox', checked: '', id: 'show-all' }) as HTMLInputElement;
  box.addEventListener('change', () => setShowAll(box.checked));
  return h('p', { class: 'toggle' }, h('label', {}, box, ' show all tokens (sink tokens included) beside ordinary tokens'));
}

/// Undefined signals by the reason that they share.
function reasons(panels: Panel[]): Map<string, string[]> {
  const out = new Map<string, string[]>();
  for (const panel of panels) {
    const reason = unique([panel.ordinary?.note ?? '', panel.all?.note ?? '']).join('; ');
    out.set(reason, [...(out.get(reason) ?? []), panel.id]);
  }
  return out;
}

/// One group: its defined signals as a plot, the reasons for the others.
export function addGroup(record: RunRecord, body: HTMLElement, group: string, title: string, logAllowed: boolean): void {
  const panels = panelsOf(record, group);
  const defined = panels.filter(isDefined);
  if (defined.length > 0) addDepthPlot(record, body, `depth-${group}`, title, defined, logAllowed);
  for (const [reason, ids] of reasons(panels.filter((p) => !isDefined(p)))) body.append(undefinedBox(ids.join(', '), reason === '' ? [] : [reason]));
  const gaps = defined.flatMap(notes);
  if (gaps.length > 0) body.append(details(`Notes of the record on ${title.toLowerCase()}: gaps and samples`, (box) => box.append(list(gaps))));
}

export const depth: Section = {
  id: 'depth',
  title: 'Signals over depth',
  render(record, body) {
    if (record.series.length === 0) {
      body.append(undefinedBox('Signals', ['the record holds none']));
      return;
    }
    if (record.series.some((s) => s.tokens === 'all' && finite(s.mean).length > 0)) body.append(toggle());
    for (const group of kGroups) addGroup(record, body, group.id, group.title, group.id === 'representation');
    const known = new Set([...kGroups.map((group) => group.id), 'control']);
    for (const other of new Set(record.series.map((s) => s.group).filter((g) => !known.has(g)))) {
      addGroup(record, body, other, other, false);
    }
  },
};
