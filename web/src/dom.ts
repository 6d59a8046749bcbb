// The only place that makes elements. Text always becomes text nodes: nothing in a record can become markup.
import type { Cell, Table } from './format';
import { num } from './format';

type Child = Node | string | null;

export function h(tag: string, attributes: Record<string, string> = {}, ...children: Child[]): HTMLElement {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === 'style') element.style.cssText = value;  // the page's policy forbids the attribute, not the property
    else element.setAttribute(name, value);
  }
  for (const child of children) if (child !== null) element.append(child);
  return element;
}

export function paragraph(text: string, kind = ''): HTMLElement {
  return h('p', kind === '' ? {} : { class: kind }, text);
}

/// Says why something is not there.
export function undefinedBox(what: string, reasons: string[]): HTMLElement {
  const why = reasons.length > 0 ? reasons.join('; ') : 'the record does not say why';
  return h('p', { class: 'undefined' }, h('strong', {}, `${what}: undefined. `), why);
}

/// Says how to get what a run leaves out unless it is asked for.
export function notRun(what: string, command: string): HTMLElement {
  return h('p', { class: 'faint' }, `${what}: not in this record. `, h('code', {}, command), ' adds it.');
}

export function list(items: string[]): HTMLElement {
  return h('ul', {}, ...items.map((item) => h('li', {}, item)));
}

function cellText(cell: Cell): string {
  return typeof cell === 'number' || cell === null ? num(cell, 4) : cell;
}

const kLong = 40;  // characters: a column of sentences

/// A table in a box that scrolls on its own, so that the page never does sideways.
export function tableBox(table: Table, label: string): HTMLElement {
  const numeric = (column: number): boolean => table.rows.some((row) => typeof row[column] === 'number');
  const long = (column: number): boolean => table.rows.some((row) => String(row[column]).length > kLong);
  const kind = (i: number): Record<string, string> => (numeric(i) ? { class: 'number' } : long(i) ? { class: 'long' } : {});
  const head = h('tr', {}, ...table.columns.map((name, i) => h('th', { scope: 'col', ...kind(i) }, name)));
  const rows = table.rows.map((row) =>
    h('tr', {}, ...row.map((cell) => h('td', typeof cell === 'string' ? {} : { class: 'number' }, cellText(cell)))),
  );
  return h('div', { class: 'table', tabindex: '0', role: 'region', 'aria-label': label },
    h('table', {}, h('thead', {}, head), h('tbody', {}, ...rows)));
}

/// Content made when the reader opens it.
export function details(summary: string, make: (box: HTMLElement) => void): HTMLElement {
  const body = h('div');
  const element = h('details', {}, h('summary', {}, summary), body) as HTMLDetailsElement;
  let made = false;
  element.addEventListener('toggle', () => {
    if (!element.open || made) return;
    made = true;
    make(body);
  });
  return element;
}

export function keyValues(pairs: [string, string][]): HTMLElement {
  return h('dl', { class: 'card' }, ...pairs.map(([key, value]) => h('div', {}, h('dt', {}, key), h('dd', {}, value))));
}
