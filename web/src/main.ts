// Builds the page from the record.
import { h } from './dom';
import { readRecord } from './record';
import { kSections } from './sections/registry';
import { startTheme, toggleTheme } from './theme';

function main(): void {
  const root = document.getElementById('report');
  if (root === null) throw new Error('the page has no place for the report');
  startTheme();
  const record = readRecord();
  const { model, run } = record;
  const toggle = h('button', { type: 'button', class: 'theme' }, 'Light / dark');
  toggle.addEventListener('click', toggleTheme);
  const subtitle = `${String(model['architecture'] ?? '')}, ${model.n_layers} blocks, ${record.documents.length} documents, ${record.n_tokens.toLocaleString('en-US')} tokens; strata ${String(run['tool_version'] ?? '')}`;
  const nav = h('nav', { 'aria-label': 'Sections' }, ...kSections.map((s) => h('a', { href: `#${s.id}` }, s.title)));
  const main_ = h('main', { id: 'content' });
  root.append(h('a', { class: 'skip', href: '#content' }, 'Skip to the content'),
    h('header', {}, h('div', { class: 'top' }, h('h1', {}, `Layers of ${model.name}`), toggle), h('p', { class: 'faint' }, subtitle), nav), main_);
  for (const section of kSections) {
    const body = h('div');
    main_.append(h('section', { id: section.id, 'aria-labelledby': `h-${section.id}` }, h('h2', { id: `h-${section.id}` }, section.title), body));
    section.render(record, body);
  }
}

main();
