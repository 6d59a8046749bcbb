// Builds the report's template: one HTML file with its style and script inside.
//
//   node build.mjs [FILE]     FILE: default dist/template.html
//
// The same sources give the same bytes. src/strata/report/report_template.html is committed: the target
// report_template writes it. Installs web/node_modules from package-lock.json when it is absent or out of date; needs
// no network otherwise.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(fileURLToPath(import.meta.url));

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

// What the page's policy allows to run is exactly this text, by its digest.
const hash = (text) => `'sha256-${createHash('sha256').update(text).digest('base64')}'`;

if (parseInt(process.versions.node, 10) < 18) {
  console.error(`web: Node.js is version ${process.versions.node}; the report's front end needs 18 or newer`);
  process.exit(1);
}
install();
checkTypes();
const { script, style } = await bundle();
if (/<\/script|<!--/i.test(script)) throw new Error('the script must not contain </script or <!--');
let html = readFileSync(join(root, 'src', 'template.html'), 'utf8');
html = fill(html, '@STYLE_HASH@', hash(style));
html = fill(html, '@SCRIPT_HASH@', hash(script));
html = fill(html, '@STYLE@', style);
html = fill(html, '@SCRIPT@', script);
if (/[^\n\x20-\x7e]/.test(html)) throw new Error('the template must be ASCII');
const file = process.argv[2] ?? join(root, 'dist', 'template.html');
mkdirSync(dirname(file), { recursive: true });
writeFileSync(file, html);
