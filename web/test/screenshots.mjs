// Pictures of reports for docs/report.md: node screenshots.mjs RUNS OUTPUT. Called by scripts/screenshots.
import { existsSync, mkdirSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

import { chromium } from 'playwright-core';

const kMaxBytes = 170_000;
const [runs, output] = process.argv.slice(2);
if (!runs || !output) throw new Error('usage: screenshots.mjs RUNS OUTPUT');

// run directory, what of its page ('' = the top of it, as in a window), name of the picture
const kPictures = [
  { run: 'llama-nano', what: '', name: 'summary', height: 700 },
  { run: 'llama-nano', what: '#plot-segments', name: 'segments' },
  { run: 'llama-nano', what: '#plot-kappa', name: 'kappa' },
  { run: 'llama-nano', what: '#plot-split', name: 'split' },
  { run: 'llama-nano', what: '#plot-depth-attention', name: 'depth' },
  { run: 'llama-nano', what: '#plot-cka-ordinary', name: 'cka' },
  { run: 'llama-nano', what: '#plot-null-distributions', name: 'null' },
  { run: 'llama-nano', what: '#plot-random-twins', name: 'random' },
  { run: 'llama-nano', what: '#plot-dose-relative_noise', name: 'dose' },
  { run: 'llama-nano', what: '#plot-top1', name: 'top1' },
  { run: 'llama-nano', what: '#plot-rate-segments', name: 'rate' },
  { run: 'llama-nano', what: '#plot-bottleneck', name: 'bottleneck' },
  { run: 'llama-nano', what: '#lens', name: 'lens' },
  { run: 'llama-nano', what: '', name: 'narrow-dark', width: 390, dark: true },
  { run: 'study', what: '', name: 'study-summary', height: 905 },
  { run: 'study', what: '#plot-boundaries', name: 'study-boundaries' },
  { run: 'study', what: '#plot-segment-brittleness', name: 'study-brittleness' },
  { run: 'study', what: '#verdicts .table', name: 'study-verdicts' },
];

mkdirSync(output, { recursive: true });
const executablePath = process.env.CHROMIUM ?? '/usr/bin/chromium';
if (!existsSync(executablePath)) throw new Error(`${executablePath} is missing: apt-get install chromium (or set CHROMIUM)`);
const browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] });
for (const { run, what, name, width = 1000, height = 844, dark = false } of kPictures) {
  const page = await browser.newPage({ viewport: { width, height }, colorScheme: dark ? 'dark' : 'light' });
  await page.goto(pathToFileURL(resolve(runs, run, 'report.html')).href);
  await page.waitForFunction(() => document.documentElement.dataset.plots === 'drawn', null, { timeout: 120_000 });
  const path = join(output, `${name}.png`);
  const element = page.locator(what === '' ? 'body' : what).first();
  if ((await element.count()) === 0) throw new Error(`${run}: the page has no ${what}`);
  await (what === '' ? page : element).screenshot({ path });
  if (statSync(path).size > kMaxBytes) throw new Error(`${path} has ${statSync(path).size} bytes, at most ${kMaxBytes} are allowed`);
  await page.close();
}
await browser.close();
