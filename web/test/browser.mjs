// Opens reports of invented runs in Chromium and checks what a reader depends on.
//
//   node browser.mjs MAKE_FIXTURE [--shots DIRECTORY]
//
// $CHROMIUM names the browser, else /usr/bin/chromium. Fails, never skips, when something is missing.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

import { hostileRecords } from './hostile.mjs';

function stop(message) {
  console.error(`report_browser: ${message}`);
  process.exit(1);
}

const [fixture, , shots] = process.argv.slice(2);
if (!fixture || !existsSync(fixture)) stop('usage: browser.mjs MAKE_FIXTURE [--shots DIRECTORY]');
const executablePath = process.env.CHROMIUM ?? '/usr/bin/chromium';
if (!existsSync(executablePath)) stop(`${executablePath} is missing: apt-get install chromium (or set CHROMIUM)`);
const { chromium } = await import('playwright-core').catch(() =>
  stop('playwright-core is missing: run "npm ci --ignore-scripts" in web/'));

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

const directory = mkdtempSync(join(tmpdir(), 'strata-report-'));
let failures = 0;
function expect(condition, what) {
  if (condition) return;
  failures += 1;
  console.error(`FAILED: ${what}`);
}

// Sections are filled and plots drawn one by one after the page has loaded.
const drawn = (page) => page.waitForFunction(() => document.documentElement.dataset.plots === 'drawn', null, { timeout: 120_000 });

async function open(browser, name, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1100, height: 900 }, ...options });
  context.setDefaultNavigationTimeout(120_000);
  const page = await context.newPage();
  const [file, hash] = name.split('#');
  const url = pathToFileURL(join(directory, file)).href;
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') expect(false, `${name}: console: ${message.text()}`);
  });
  page.on('pageerror', (error) => expect(false, `${name}: ${error.message}`));
  page.on('dialog', (dialog) => { expect(false, `${name}: a script of the record ran`); void dialog.dismiss(); });
  page.on('request', (request) => {
    const asked = request.url();
    if (asked.split('#')[0] !== url && !/^(data|blob):/.test(asked)) expect(false, `${name}: asked for ${asked.slice(0, 120)}`);
  });
  await page.goto(hash === undefined ? url : `${url}#${hash}`);
  await drawn(page);
  return page;
}

async function shot(page, name) {
  if (shots) await page.screenshot({ path: join(shots, name), fullPage: true });
}

// Marks = drawn shapes with a visible extent; NaN in a path is a plot that lost its numbers.
async function checkPlots(page, name, atLeast) {
  const plots = await page.$$eval('.plot', (boxes) => boxes.map((box) => {
    const shapes = [...box.querySelectorAll('svg path, svg circle, svg rect, svg polyline, svg polygon')];
    const drawn = shapes.filter((s) => { const r = s.getBoundingClientRect(); return r.width > 0 || r.height > 0; });
    return {
      id: box.parentElement.id, marks: drawn.length, label: box.getAttribute('aria-label') ?? '',
      nan: shapes.some((s) => /NaN|undefined/.test(s.getAttribute('d') ?? '')),
      outside: box.querySelector('svg').getBoundingClientRect().width > box.clientWidth + 1,
    };
  }));
  expect(plots.length >= atLeast, `${name}: ${plots.length} plots, expected at least ${atLeast}`);
  for (const plot of plots) {
    expect(plot.marks > 10, `${name}: ${plot.id} has ${plot.marks} marks`);
    expect(!plot.nan, `${name}: ${plot.id} has NaN in a path`);
    expect(!plot.outside, `${name}: ${plot.id} is wider than its box`);
    expect(plot.label.length > 20, `${name}: ${plot.id} has no label`);
  }
  return plots;
}

// What must be drawn in the light theme, by plot: elements in the colour that only its data have.
const kData = [
  [/^plot-depth-/, '#0072B2', 14], [/^plot-kappa/, '#0072B2', 12], [/^plot-segments/, '#56B4E9', 1],
  [/^plot-evidence/, '#a8adb3', 12], [/^plot-boundary/, '#0072B2', 8], [/^plot-null/, '#a8adb3', 40], [/^plot-effect-/, '#0072B2', 12],
  [/^plot-dose-/, '#00224e', 6], [/^plot-cka-/, '', 100],
  [/^plot-rate-states/, '#00224e', 6], [/^plot-rate-segments/, '#0072B2', 10], [/^plot-beta/, '#0072B2', 40],
  [/^plot-split/, '#0072B2', 40], [/^plot-top1/, '#0072B2', 24], [/^plot-bottleneck/, '#0072B2', 12], [/^plot-random-twins/, '#D55E00', 1],
  [/^plot-boundaries/, '#0072B2', 10], [/^plot-spread/, '#0072B2', 2], [/^plot-segment-brittleness/, '#D55E00', 20],
  [/^plot-gap/, '#007A5A', 1], [/^plot-profiles/, '#D55E00', 40], [/^plot-variance/, '#0072B2', 1],
  [/^plot-parts/, '#0072B2', 10], [/^plot-parting/, '#0072B2', 20],
];

async function checkData(page, name) {
  for (const figure of await page.$$('figure')) {
    const id = await figure.getAttribute('id');
    const known = kData.find(([pattern]) => pattern.test(id));
    expect(known !== undefined, `${name}: the test knows the plot ${id}`);
    if (known === undefined) continue;
    const [, colour, atLeast] = known;
    const drawn = await figure.$$eval('svg path, svg rect, svg circle', (shapes, wanted) => shapes.filter((s) =>
      wanted === '' ? /^rgb/.test(s.getAttribute('fill') ?? '') : [s.getAttribute('fill'), s.getAttribute('stroke')].includes(wanted)).length, colour);
    expect(drawn >= atLeast, `${name}: ${id} has ${drawn} marks of its data, expected at least ${atLeast}`);
    if (process.env.STRATA_SHOW_MARKS) console.log(`${name} ${id}: ${drawn}`);
  }
}

async function noSidewaysScroll(page, name) {
  const [scroll, client] = await page.evaluate(() => [document.documentElement.scrollWidth, document.documentElement.clientWidth]);
  expect(scroll <= client, `${name}: page is ${scroll} px wide in a window of ${client} px`);
}

async function noMissingText(page, name) {
  const text = await page.evaluate(() => document.getElementById('report').innerText);
  for (const bad of ['NaN', '[object', 'Infinity']) expect(!text.includes(bad), `${name}: the page says "${bad}"`);
  return text;
}

// Serious violations of the accessibility rules, by id and place.
async function accessible(page, name) {
  await page.evaluate(axe);
  const found = await page.evaluate(async () => {
    const { violations } = await window.axe.run(document, { resultTypes: ['violations'], preload: false });
    return violations.filter((v) => v.impact === 'serious' || v.impact === 'critical')
      .map((v) => `${v.id} at ${v.nodes.slice(0, 3).map((n) => n.target.join(' ')).join('; ')}: ${v.nodes[0]?.failureSummary ?? ''}`);
  });
  for (const violation of found) expect(false, `${name}: axe: ${violation.replace(/\s+/g, ' ')}`);
}

async function wide(browser, name, atLeast) {
  const page = await open(browser, name);
  await checkPlots(page, name, atLeast);
  await checkData(page, name);
  await noSidewaysScroll(page, name);
  const text = await noMissingText(page, name);
  await accessible(page, name);
  await shot(page, name.replace('.html', '-wide.png'));
  await page.context().close();
  return text;
}

async function narrow(browser, name) {
  const page = await open(browser, name, { viewport: { width: 390, height: 844 } });
  await noSidewaysScroll(page, `${name} at 390 px`);
  await page.evaluate(() => { for (const d of document.querySelectorAll('details')) d.open = true; });
  await page.waitForTimeout(300);  // the toggle events are queued
  await drawn(page);
  await noSidewaysScroll(page, `${name} at 390 px, all opened`);
  await checkPlots(page, `${name} at 390 px`, 0);
  await noMissingText(page, `${name}, all opened`);
  // The data tables of 80 layers hold the same elements as those of 12, and the rules look at every cell.
  if (name !== 'deep.html') await accessible(page, `${name} at 390 px, all opened`);
  await page.context().close();
  if (shots) {
    const again = await open(browser, name, { viewport: { width: 390, height: 844 } });
    await shot(again, name.replace('.html', '-390.png'));
    await again.context().close();
  }
}

const background = (page) => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
const kWhite = 'rgb(255, 255, 255)';

async function dark(browser) {
  for (const name of ['study.html', 'twins.html']) {
    const other = await open(browser, name, { colorScheme: 'dark' });
    await accessible(other, `${name}, dark`);
    await shot(other, name.replace('.html', '-dark.png'));
    await other.context().close();
  }
  const page = await open(browser, 'full.html', { colorScheme: 'dark' });
  await accessible(page, 'full.html, dark');
  expect((await background(page)) !== kWhite, 'dark: the page follows the system');
  const before = await page.$eval('#plot-kappa svg', (svg) => svg.outerHTML);
  await shot(page, 'full-dark.png');
  await page.getByRole('button', { name: 'Light / dark' }).focus();
  await page.keyboard.press('Enter');
  expect((await background(page)) === kWhite, 'dark: the button turns it light, from the keyboard');
  await drawn(page);
  expect((await page.$eval('#plot-kappa svg', (svg) => svg.outerHTML)) !== before, 'dark: plots change with it');
  await page.context().close();
}

async function print(browser) {
  const page = await open(browser, 'full.html', { colorScheme: 'dark' });
  await page.evaluate(() => window.dispatchEvent(new Event('beforeprint')));
  await page.emulateMedia({ media: 'print' });
  expect((await background(page)) === kWhite, 'print: on white');
  expect(!(await page.locator('nav').isVisible()), 'print: no navigation');
  await checkPlots(page, 'print', 10);
  await page.emulateMedia({ media: null });
  await page.evaluate(() => window.dispatchEvent(new Event('afterprint')));
  // Paper before anything was drawn: the page has every plot all the same.
  const early = await page.context().newPage();
  await early.goto(page.url());
  await early.evaluate(() => window.dispatchEvent(new Event('beforeprint')));
  const shown = (p) => p.$$eval('.plot', (boxes) => boxes.map((b) => b.querySelector('svg') !== null));
  const [all, atOnce] = [await shown(page), await shown(early)];
  expect(atOnce.length === all.length && atOnce.every((svg) => svg), `print: ${atOnce.filter((svg) => svg).length} of ${all.length} plots are drawn at once`);
  await early.close();
  const pdf = await page.pdf({ format: 'A4', ...(shots ? { path: join(shots, 'full.pdf') } : {}) });
  expect(pdf.subarray(0, 5).toString() === '%PDF-' && pdf.length > 50_000, 'print: a PDF with content');
  await page.context().close();
}

// What the page would save, caught before the browser does: Chromium limits downloads in a row.
function catchDownloads() {
  window.saved = [];
  HTMLAnchorElement.prototype.click = function click() { window.saved.push({ name: this.download, url: this.href }); };
  URL.revokeObjectURL = () => {};
}

async function downloads(browser) {
  const page = await open(browser, 'full.html', { bypassCSP: true });  // lets the test read blob: URLs
  await page.evaluate(catchDownloads);
  for (const figure of await page.$$('figure')) {
    const id = await figure.getAttribute('id');
    await (await figure.$('button')).click();
    const { name, svg } = await page.evaluate(async () => {
      const { name, url } = window.saved.pop();
      return { name, svg: await (await fetch(url)).text() };
    });
    expect(svg.startsWith('<svg') && svg.includes('</svg>') && svg.length > 2000, `${id}: an SVG file`);
    expect(!/NaN/.test(svg), `${id}: no NaN in the SVG file`);
    expect(`plot-${name}` === `${id}.svg`, `${id}: named ${name}`);
    await (await figure.$('button[aria-label$="as CSV"]')).click();
    const csv = await page.evaluate(async () => (await fetch(window.saved.pop().url)).text());
    const lines = csv.trimEnd().split('\n');
    expect(lines.length > 1 && lines[0].split(',').length > 1, `${id}: data as CSV`);
  }
  const before = await page.$eval('#plot-depth-attention svg', (svg) => svg.outerHTML);
  await page.locator('#show-all').uncheck();
  await drawn(page);
  const after = await page.$eval('#plot-depth-attention svg', (svg) => svg.outerHTML);
  expect(after.length < before.length, 'the toggle takes the all-token lines away');
  await page.context().close();
}

async function keyboard(browser) {
  const page = await open(browser, 'full.html');
  const wanted = await page.$$eval('button, summary, input, a[href], .table', (all) =>
    all.filter((e) => e.getBoundingClientRect().width > 0 && e.tabIndex < 0).length);
  expect(wanted === 0, `keyboard: ${wanted} controls cannot be reached`);
  const table = page.locator('#plot-kappa summary');
  await table.focus();
  await page.keyboard.press('Enter');
  const opened = page.locator('#plot-kappa td').first().waitFor({ state: 'visible', timeout: 30000 });
  expect(await opened.then(() => true, () => false), 'keyboard: Enter opens the data table');
  await page.evaluate(() => document.activeElement.blur());
  await page.evaluate(() => window.scrollTo(0, 0));
  await page.reload();
  await drawn(page);
  await page.keyboard.press('Tab');
  expect((await page.evaluate(() => document.activeElement.className)) === 'skip', 'keyboard: the first stop skips to the content');
  await page.context().close();
}

// A link to a plot far down the page shows that plot.
async function deepLinks(browser) {
  for (const id of ['plot-dose-relative_noise', 'methods']) {
    const page = await open(browser, `full.html#${id}`);
    const top = await page.$eval(`#${id}`, (e) => e.getBoundingClientRect().top);
    expect(Math.abs(top) < 40, `deep link: #${id} is ${top} px from the top`);
    await page.context().close();
  }
  const page = await open(browser, 'full.html');
  const dead = await page.$$eval('a[href^="#"]', (links) => links.map((a) => a.getAttribute('href').slice(1)).filter((id) => document.getElementById(id) === null));
  expect(dead.length === 0, `deep links lead nowhere: ${dead.join(', ')}`);
  await page.context().close();
}

// The cursor in one plot over depth shows in the next one, and leaves it again.
async function linkedCursors(browser) {
  const page = await open(browser, 'full.html');
  const before = await page.$eval('#plot-split svg', (svg) => svg.querySelectorAll('path').length);
  const followed = (yes) => page.waitForFunction(([n, more]) => (document.querySelectorAll('#plot-split svg path').length > n) === more, [before, yes], { timeout: 20_000 }).then(() => true, () => false);
  await page.locator('#plot-kappa .plot').scrollIntoViewIfNeeded();
  const box = await page.locator('#plot-kappa .plot').boundingBox();
  await page.mouse.move(box.x + box.width / 2, box.y + box.height / 2);
  expect(await followed(true), 'linked cursors: the next plot follows');
  await page.mouse.move(box.x + box.width / 2, box.y - 30);
  expect(await followed(false), 'linked cursors: and lets go');
  await page.context().close();
}

// Rows of states, the last on top; the brightest text stands on a ground that it can be read on.
async function lensTable(browser) {
  const page = await open(browser, 'full.html');
  const rows = await page.$$eval('.lens tbody tr', (all) => all.map((tr) => [...tr.children].map((c) => c.textContent)));
  expect(rows.length === 13 && rows[0][0] === 'state 12' && rows[12][0] === 'state 0', 'lens: a row for each state, the last on top');
  expect(rows[0][1] === '\u00b7the' && rows[12][1] === '\u6c34', 'lens: tokens, spaces marked');
  expect((await page.locator('.lens td.same').count()) > 13, 'lens: what the model says in the end is marked');
  await page.context().close();
}

async function study(browser) {
  const text = await wide(browser, 'study.html', 5);
  for (const words of ['qwen-1', 'Supported', 'T10', 'scale artefact', 'Does a model differ from its family?', 'below', 'arXiv:2505.18244 v3', 'Forced splits (description only)', 'Moot', '\u2013 moot', 'all blocks', 'below 0.1 or above 10']) {
    expect(text.includes(words), `study: the page says "${words}"`);
  }
  const empty = await wide(browser, 'study-empty.html', 0);
  for (const words of ['Boundaries: undefined', 'Brittleness by segment: undefined', 'Verdicts: undefined', 'Forced splits: undefined']) expect(empty.includes(words), `empty study: "${words}"`);
  for (const name of ['study.html', 'study-empty.html']) await narrow(browser, name);
  const page = await open(browser, 'study.html');
  const hostile = await page.locator('#summary li', { hasText: 'an invented <warning>' }).count();
  expect(hostile === 1, 'study: markup in a warning is text');
  await page.context().close();
}

async function twins(browser) {
  const text = await wide(browser, 'twins.html', 2);
  for (const words of ['Damage begins', 'block 3', 'additivity']) expect(text.includes(words), `twins: the page says "${words}"`);
  const same = await wide(browser, 'twins-identical.html', 0);
  expect(same.includes('identical'), 'twins: equal models are said to be identical');
  for (const name of ['twins.html', 'twins-identical.html']) await narrow(browser, name);
}

async function hostileText(browser) {
  const page = await open(browser, 'full.html');
  const cell = page.locator('#sinks td', { hasText: '</script><b>,' });
  expect((await cell.count()) === 1, 'a token with markup in it is shown as text');
  expect((await page.locator('#sinks b').count()) === 0, 'and is not markup');
  await page.context().close();
}

try {
  execFileSync(fixture, [directory], { stdio: 'inherit' });
  const browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] });
  const full = await wide(browser, 'full.html', 16);
  expect(full.includes('Two boundaries'), 'full: the headline is there');
  expect(!full.includes('has no definition'), 'full: every signal and intervention is defined');
  expect(!full.includes('Forced split'), 'full: nothing is said to be forced');
  await wide(browser, 'deep.html', 12);
  const forced = await wide(browser, 'forced.html', 12);
  expect(forced.includes('Forced split') && forced.includes('Segments over depth (forced)'), 'forced: marked as such');
  const gone = await wide(browser, 'undefined.html', 0);
  for (const reason of ['fewer than 16 windows', 'no lanes were run', 'no window has 64 tokens', '3 documents: with fewer than 8']) {
    expect(gone.includes(reason), `undefined: the page gives the reason "${reason}"`);
  }
  const plain = await wide(browser, 'plain.html', 12);
  for (const flag of ['--bottleneck', '--null-models', 'No split into function and scale']) expect(plain.includes(flag), `plain: the page says how to get "${flag}"`);
  expect(!full.includes('--null-models') && !full.includes('--bottleneck'), 'full: nothing is said to be missing');
  for (const name of ['full.html', 'deep.html', 'undefined.html']) await narrow(browser, name);
  await dark(browser);
  await print(browser);
  await downloads(browser);
  await keyboard(browser);
  await deepLinks(browser);
  await linkedCursors(browser);
  await lensTable(browser);
  await study(browser);
  await twins(browser);
  await hostileText(browser);
  await hostileRecords(browser, directory, expect);
  await browser.close();
} finally {
  rmSync(directory, { recursive: true, force: true });
}
if (failures > 0) stop(`${failures} checks failed`);
console.log('report_browser: every check passed');
