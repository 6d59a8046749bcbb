// Builds a page from its kind and its record: header, navigation, sections.
import { h } from './dom';
import type { Section } from './sections/section';
import { toggleTheme } from './theme';
import { doLater, doNow } from './work';
import type { Piece } from './work';

/// One kind of page.
export interface Page<R> {
  title: (record: R) => string;
  subtitle: (record: R) => string;
  notice?: (record: R) => string;  // of a page that is not complete; empty = it is
  sections: Section<R>[];
}

function heading(section: { id: string; title: string }): HTMLElement {
  return h('h2', { id: `h-${section.id}` }, section.title, ' ',
    h('a', { class: 'anchor', href: `#${section.id}`, 'aria-label': `Link to ${section.title}` }, '#'));
}

/// The address may name a plot, which is on the page when its section is.
function followAddress(): void {
  if (location.hash.length < 2) return;
  finishSections();
  document.getElementById(decodeURIComponent(location.hash.slice(1)))?.scrollIntoView();
}

let unfilled: Piece[] = [];

function finishSections(): void {
  const pieces = unfilled;
  unfilled = [];
  pieces.forEach(doNow);
}

function notice<R>(page: Page<R>, record: R): HTMLElement[] {
  const text = page.notice?.(record) ?? '';
  return text === '' ? [] : [h('p', { class: 'notice', role: 'status' }, text)];
}

const kFirst = 3;  // sections that fill a tall window

/// The headings stand at once, the first sections with them; each other one is filled in a task of its own.
export function buildPage<R>(page: Page<R>, record: R, root: HTMLElement): void {
  const toggle = h('button', { type: 'button', class: 'theme' }, 'Light / dark');
  toggle.addEventListener('click', toggleTheme);
  const nav = h('nav', { 'aria-label': 'Sections' }, ...page.sections.map((s) => h('a', { href: `#${s.id}` }, s.title)));
  const content = h('main', { id: 'content', tabindex: '-1' });
  root.append(h('a', { class: 'skip', href: '#content' }, 'Skip to the content'),
    h('header', {}, h('div', { class: 'top' }, h('h1', {}, page.title(record)), toggle), h('p', { class: 'faint' }, page.subtitle(record)), ...notice(page, record), nav), content);
  unfilled = page.sections.map((section) => {
    const body = h('div');
    content.append(h('section', { id: section.id, 'aria-labelledby': `h-${section.id}` }, heading(section), body));
    return () => section.render(record, body);
  });
  for (const fill of unfilled) doLater(fill, 'soon');
  unfilled.splice(0, kFirst).forEach(doNow);
  window.addEventListener('hashchange', followAddress);
  followAddress();
}
