// Someone else's record: markup in every string of it, on every kind of page. No string may become an element.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const kMark = '<img src=x onerror="window.ran=1">';
// Keys whose strings choose what a page draws. They are spoilt all at once with everything else, and one by one.
const kWords = new Set(['page', 'axis', 'group', 'tokens', 'id', 'kind', 'site', 'part', 'series', 'signal', 'unit', 'intervention', 'measure',
  'detector', 'role', 'scale', 'estimator', 'outcome', 'set', 'tag', 'quantity', 'segment', 'verdict', 'method', 'name', 'text', 'family', 'variant']);

const kPages = ['full.html', 'forced.html', 'undefined.html', 'plain.html', 'study.html', 'study-empty.html', 'twins.html', 'twins-identical.html'];

// `choose(key)` says which strings get the mark; a page that has none of a key gives null.
function spoil(html, choose) {
  const [, before, json, after] = /^([^]*<script type="application\/json" id="strata-record">)([^]*?)(<\/script>[^]*)$/.exec(html);
  let spoilt = 0;
  const walk = (value, key) => {
    if (typeof value === 'string') return key !== 'page' && choose(key) ? (spoilt += 1, `${value}${kMark}`) : value;
    if (Array.isArray(value)) return value.map((one) => walk(one, key));
    if (value === null || typeof value !== 'object') return value;
    return Object.fromEntries(Object.entries(value).map(([k, one]) => [k, walk(one, k)]));
  };
  const record = JSON.stringify(walk(JSON.parse(json), ''));
  return spoilt === 0 ? null : before + record.replaceAll('<', '\\u003c') + after;
}

// Watches from before the page's own script: what became an element, what the policy stopped.
function watch() {
  window.images = 0;
  window.stopped = [];
  document.addEventListener('securitypolicyviolation', (event) => window.stopped.push(event.violatedDirective));
  new MutationObserver((changes) => {
    for (const { addedNodes } of changes) {
      for (const node of addedNodes) {
        if (node.nodeType === 1) window.images += node.matches('img, [onerror]') ? 1 : node.querySelectorAll('img, [onerror]').length;
      }
    }
  }).observe(document, { childList: true, subtree: true });
  window.saved = [];
  HTMLAnchorElement.prototype.click = function click() { window.saved.push(this.href); };
  URL.revokeObjectURL = () => {};
}

// Every plot under a mouse, and clicked; how many tooltips showed the mark as text. Events are made in the page: thousands
// of them by way of the browser's own mouse take minutes.
const hover = (page, columns, rows) => page.evaluate(async ([across, down]) => {
  let seen = 0;
  for (const box of document.querySelectorAll('.plot')) {
    box.scrollIntoView({ block: 'center' });
    const target = box.querySelector('svg')?.parentElement;
    if (!target) continue;
    const { left, top, width, height } = box.getBoundingClientRect();
    for (let i = 0; i < across; ++i) {
      for (let j = 0; j < down; ++j) {
        const at = { clientX: left + (width * (i + 0.5)) / across, clientY: top + (height * (j + 0.5)) / down, bubbles: true };
        for (const kind of ['mousemove', 'mousedown', 'mouseup', 'click']) target.dispatchEvent(new MouseEvent(kind, at));
        seen += [...box.children].some((e) => !e.querySelector('svg') && e.textContent.includes('<img src=x'));
      }
    }
    await new Promise((done) => { setTimeout(done, 0); });
  }
  return seen;
}, [columns, rows]);

async function pressEverything(page) {
  await page.evaluate(() => { for (const d of document.querySelectorAll('details')) d.open = true; });
  await page.waitForTimeout(200);
  await page.evaluate(() => { for (const b of document.querySelectorAll('button, input')) b.click(); });
  await page.waitForTimeout(200);
}

// Saved figures open as documents of their own: they must be well-formed and hold nothing but drawing.
const badFigures = (page) => page.evaluate(async () => {
  const bad = [];
  for (const url of window.saved) {
    const text = await (await fetch(url)).text();
    if (!text.startsWith('<svg')) continue;
    const svg = new DOMParser().parseFromString(text, 'image/svg+xml');
    if (svg.querySelector('parsererror, img, script, foreignObject, a, [onerror]')) bad.push(text.slice(0, 80));
  }
  return { bad, figures: window.saved.length };
});

/// Tries `name` of `directory`, spoilt; `expect(condition, what)` takes the checks.
async function tryPage(browser, directory, expect, { name, mode, choose, policy, mustDraw, moves }) {
  const html = spoil(readFileSync(join(directory, name), 'utf8'), choose);
  if (html === null) return 0;
  const what = `${name}, ${mode}, ${policy ? 'with' : 'without'} the policy`;
  const file = join(directory, 'hostile.html');
  writeFileSync(file, html);
  const context = await browser.newContext({ viewport: { width: 1100, height: 900 }, bypassCSP: !policy });
  context.setDefaultNavigationTimeout(120_000);
  const page = await context.newPage();
  let broken = '';
  page.on('pageerror', (error) => { broken ||= error.message; });
  page.on('dialog', (dialog) => { expect(false, `${what}: a script of the record ran`); void dialog.dismiss(); });
  page.on('request', (request) => expect(/^(data|blob):|hostile\.html/.test(request.url()), `${what}: asked for ${request.url().slice(0, 80)}`));
  await page.addInitScript(watch);
  await page.goto(pathToFileURL(file).href);
  const drawn = page.waitForFunction(() => document.documentElement.dataset.plots === 'drawn', null, { timeout: mustDraw ? 120_000 : 2000 });
  await drawn.catch(() => { broken ||= 'not drawn'; });
  if (mustDraw) expect(broken === '', `${what}: ${broken}`);
  const seen = await hover(page, ...moves);
  await pressEverything(page);
  if (!policy) {  // the policy lets nobody fetch, not the test either
    const { bad, figures } = await badFigures(page);
    expect(bad.length === 0, `${what}: ${bad.length} of ${figures} saved files hold markup: ${bad[0]}`);
  }
  const found = await page.evaluate(() => ({ images: window.images, ran: window.ran === 1, stopped: window.stopped, now: document.querySelectorAll('img').length }));
  expect(found.images === 0 && found.now === 0 && !found.ran, `${what}: a string of the record became an element (${found.images}${found.ran ? ', and ran' : ''})`);
  expect(found.stopped.length === 0, `${what}: the policy had to stop ${found.stopped.join(', ')}`);
  await page.evaluate(() => document.body.append(document.createElement('img')));  // the watch itself sees one
  expect(await page.evaluate(() => new Promise((done) => { setTimeout(() => done(window.images === 1), 0); })), `${what}: the test sees an image`);
  await context.close();
  return seen;
}

/// Markup in every string of every page kind in `directory`: the three kinds of page; with STRATA_HOSTILE=all every page, and
/// the words that choose what is drawn one by one (many minutes).
export async function hostileRecords(browser, directory, expect, all = process.env.STRATA_HOSTILE === 'all') {
  const main = ['full.html', 'study.html', 'twins.html'];
  const chosen = (key) => kWords.has(key) && key !== 'name' && key !== 'text' && key !== 'family' && key !== 'segment' && key !== 'quantity';
  for (const name of all ? kPages : main) {
    for (const policy of [false, true]) {
      const moves = all || name === 'study.html' ? [16, 24] : [6, 4];
      const seen = await tryPage(browser, directory, expect, { name, policy, moves, mode: 'all names', choose: (key) => !chosen(key), mustDraw: true });
      if (name === 'study.html') expect(seen > 5, `${name}: ${seen} tooltips showed a name with markup in it, as text`);
      await tryPage(browser, directory, expect, { name, policy, moves: [4, 3], mode: 'all strings', choose: () => true, mustDraw: false });
    }
  }
  if (!all) return;
  for (const name of main) {
    for (const word of kWords) await tryPage(browser, directory, expect, { name, mode: word, choose: (key) => key === word, policy: false, mustDraw: false, moves: [4, 3] });
  }
}
