// Builds a page from its kind and its record: header, navigation, sections.
import { h } from './dom';
import type { Section } from './sections/section';
import { toggleTheme } from './theme';

/// One kind of page.
export interface Page<R> {
  title: (record: R) => string;
  subtitle: (record: R) => string;
  sections: Section<R>[];
}

function heading(section: { id: string; title: string }): HTMLElement {
  return h('h2', { id: `h-${section.id}` }, section.title, ' ',
    h('a', { class: 'anchor', href: `#${section.id}`, 'aria-label': `Link to ${section.title}` }, '#'));
}

/// The address may name a plot that sections have only now put on the page.
function followAddress(): void {
  const target = location.hash.length > 1 ? document.getElementById(decodeURIComponent(location.hash.slice(1))) : null;
  target?.scrollIntoView();
}

export function buildPage<R>(page: Page<R>, record: R, root: HTMLElement): void {
  const toggle = h('button', { type: 'button', class: 'theme' }, 'Light / dark');
  toggle.addEventListener('click', toggleTheme);
  const nav = h('nav', { 'aria-label': 'Sections' }, ...page.sections.map((s) => h('a', { href: `#${s.id}` }, s.title)));
  const content = h('main', { id: 'content', tabindex: '-1' });
  document.documentElement.dataset['plots'] = 'drawn';
  root.append(h('a', { class: 'skip', href: '#content' }, 'Skip to the content'),
    h('header', {}, h('div', { class: 'top' }, h('h1', {}, page.title(record)), toggle), h('p', { class: 'faint' }, page.subtitle(record)), nav), content);
  for (const section of page.sections) {
    const body = h('div');
    content.append(h('section', { id: section.id, 'aria-labelledby': `h-${section.id}` }, heading(section), body));
    section.render(record, body);
  }
  followAddress();
}
