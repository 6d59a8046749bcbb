// Builds the report's template: one HTML file with its style and script inside.
//
//   node build.mjs [--html FILE] [--cpp FILE]
//
// --cpp writes the template as a C++ source for the report library. Installs web/node_modules from
// package-lock.json when it is absent or out of date; needs no network otherwise.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(fileURLToPath(import.meta.url));

function option(name, fallback) {
  const at = process.argv.indexOf(name);
  return at < 0 ? fallback : process.argv[at + 1];
}

// npm records what it installed in node_modules/.package-lock.json; packages of other platforms are
// in the lock file and not in there.
function installed() {
  const marker = join(root, 'node_modules', '.package-lock.json');
  if (!existsSync(marker)) return false;
  const have = JSON.parse(readFileSync(marker, 'utf8')).packages;
  const want = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')).packages;
  return Object.entries(want).every(
    ([name, entry]) => name === '' || (have[name] ? have[name].version === entry.version : entry.optional),
  );
}

function install() {
  if (installed()) return;
  try {
    execFileSync('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund'], { cwd: root, stdio: 'inherit' });
  } catch {
    console.error('web: npm ci failed; it needs the npm registry once (run "npm ci --ignore-scripts" in web/)');
    process.exit(1);
  }
}

function checkTypes() {
  const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
  execFileSync(process.execPath, [tsc, '--noEmit', '-p', root], { cwd: root, stdio: 'inherit' });
}

async function bundle() {
  const esbuild = await import('esbuild');
  const result = await esbuild.build({
    absWorkingDir: root,
    entryPoints: ['src/main.ts', 'src/style.css'],
    bundle: true,
    minify: true,
    write: false,
    outdir: 'dist',
    format: 'iife',
    target: 'es2020',
    charset: 'ascii',
    legalComments: 'none', // the notices are in the page, see licences.ts
    loader: { '.txt': 'text', '': 'text' },
    define: { 'process.env.NODE_ENV': '"production"' },
  });
  const text = (suffix) => result.outputFiles.find((file) => file.path.endsWith(suffix)).text.trim();
  return { script: text('.js'), style: text('.css') };
}

function fill(html, marker, content) {
  const parts = html.split(marker);
  if (parts.length !== 2) throw new Error(`${marker} must be in template.html once`);
  return parts[0] + content + parts[1];
}

function asCpp(html) {
  const escape = (text) =>
    text.replace(/[\\"?]/g, '\\$&').replace(/\n/g, '\\n').replace(/[^\x20-\x7e]/g, () => {
      throw new Error('the template must be ASCII');
    });
  const lines = html.match(/[^]{1,4000}/g).map((piece) => `    "${escape(piece)}"`);
  return `// Made by web/build.mjs.
#include "strata/report/template.h"

namespace strata {

std::string_view report_template() {
  static constexpr char kHtml[] =
${lines.join('\n')};
  return {kHtml, sizeof(kHtml) - 1};
}

}  // namespace strata
`;
}

function write(path, content) {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, content);
}

install();
checkTypes();
const { script, style } = await bundle();
if (/<\/script|<!--/i.test(script)) throw new Error('the script must not contain </script or <!--');
let html = readFileSync(join(root, 'src', 'template.html'), 'utf8');
html = fill(html, '@STYLE@', style);
html = fill(html, '@SCRIPT@', script);
write(option('--html', join(root, 'dist', 'template.html')), html);
const cpp = option('--cpp', '');
if (cpp !== '') write(cpp, asCpp(html));
