// A plot on the page: chart, one sentence how to read it, its SVG, its data as CSV and as a table.
import * as echarts from 'echarts/core';
import { BarChart, CustomChart, HeatmapChart, LineChart, ScatterChart } from 'echarts/charts';
import { AriaComponent, GridComponent, LegendComponent, MarkAreaComponent, MarkLineComponent, TitleComponent, TooltipComponent, VisualMapComponent } from 'echarts/components';
import { SVGRenderer } from 'echarts/renderers';
import type { EChartsOption } from 'echarts';

import { details, h, tableBox } from './dom';
import type { Table } from './format';
import { csv } from './format';
import { onThemeChange, setPrinting, theme } from './theme';
import type { Theme } from './theme';
import { nodeTooltips } from './tooltips';
import { doLater, doNow, finish, hurry } from './work';
import type { Piece } from './work';

echarts.use([BarChart, CustomChart, HeatmapChart, LineChart, ScatterChart, AriaComponent, GridComponent, LegendComponent,
  MarkAreaComponent, MarkLineComponent, TitleComponent, TooltipComponent, VisualMapComponent, SVGRenderer]);

export interface Context { theme: Theme; width: number; showAll: boolean }
export interface PlotSpec {
  id: string;
  title: string;
  how: string;    // one sentence: how to read it
  label: string;  // what a reader who cannot see it should know
  height: (width: number) => number;
  option: (context: Context) => EChartsOption;
  table: () => Table;
  linked?: boolean;  // the x axes are block numbers: its cursor moves with that of the others
}

interface Mounted { spec: PlotSpec; box: HTMLElement; chart: echarts.ECharts | null; width: number; near: boolean; pointed: boolean; draw: Piece }

const kPrintWidth = 660;  // A4 less its margins, in CSS pixels
const plots = new Map<Element, Mounted>();  // by box
let showAll = true;
let forcedWidth = 0;
let column = 0;  // width of a plot; to ask for it lays the page out, so it is asked for once

const kInsideFirstPanel = 60;  // pixels from the top: within the first panel of every plot over depth

// Where the cursor over depth is, in which plot. The other plots over depth that are near the window show theirs
// there. (echarts.connect looks for the same series and point in the other chart, which these do not have.)
let cursor: { at: number | undefined; of: Mounted } | null = null;

function follow(plot: Mounted): void {
  const { chart, spec } = plot;
  if (cursor === null || cursor.of === plot || chart === null || spec.linked !== true) return;
  const { at } = cursor;
  if (at === undefined ? !plot.pointed : !plot.near) return;
  plot.pointed = at !== undefined;
  const where = at === undefined ? { currTrigger: 'leave' } : { currTrigger: 'mousemove', x: chart.convertToPixel({ xAxisIndex: 0 }, at), y: kInsideFirstPanel };
  chart.dispatchAction({ type: 'updateAxisPointer', ...where }, { silent: true });
}

function lead(source: Mounted, chart: echarts.ECharts): void {
  chart.on('updateAxisPointer', (event) => {
    cursor = { at: (event as { axesInfo?: { value: number }[] }).axesInfo?.[0]?.value, of: source };
    plots.forEach(follow);
  });
}

/// Takes the room that the plot will need, so that nothing moves when it is drawn.
function reserve(plot: Mounted): { width: number; height: number } {
  column ||= plot.box.clientWidth;
  const width = forcedWidth || column || 640;
  const height = plot.spec.height(width);
  plot.width = width;
  plot.box.style.height = `${height}px`;
  return { width, height };
}

function draw(plot: Mounted): void {
  const { width, height } = reserve(plot);
  // A chart of another size would be drawn twice: resized as it was, then again.
  if (plot.chart !== null && (plot.chart.getWidth() !== width || plot.chart.getHeight() !== height)) {
    plot.chart.dispose();
    plot.chart = null;
  }
  if (plot.chart === null) {
    plot.chart = echarts.init(plot.box, null, { renderer: 'svg', width, height });
    if (plot.spec.linked === true) lead(plot, plot.chart);
  }
  const context = { theme: theme(), width, showAll };
  const base: EChartsOption = {
    animation: false,
    backgroundColor: 'transparent',
    textStyle: { color: context.theme.text, fontFamily: 'system-ui, sans-serif' },
    aria: { enabled: false },  // the figure carries its own label
  };
  plot.chart.setOption(nodeTooltips({ ...base, ...plot.spec.option(context) }), { notMerge: true });
  follow(plot);
}

const watchNear = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) {
    const plot = plots.get(target);
    if (plot === undefined) continue;
    plot.near = isIntersecting;
    if (!isIntersecting) continue;
    hurry(plot.draw);
    follow(plot);
  }
}, { rootMargin: '50% 0px' });

const watchWidth = new ResizeObserver((entries) => {
  if (forcedWidth > 0) return;
  for (const { target, contentRect } of entries) {
    const plot = plots.get(target);
    const width = Math.round(contentRect.width);
    if (plot === undefined || width === 0 || width === plot.width) continue;
    column = width;
    reserve(plot);
    drawAgain(plot);
  }
});

function drawAgain(plot: Mounted): void {
  doLater(plot.draw, plot.near ? 'near' : 'idle');
}

export function setShowAll(value: boolean): void {
  showAll = value;
  plots.forEach(drawAgain);
}

onThemeChange(() => plots.forEach(drawAgain));
window.addEventListener('beforeprint', () => {
  forcedWidth = kPrintWidth;
  setPrinting(true);
  finish();  // paper shows everything
});
window.addEventListener('afterprint', () => { forcedWidth = 0; setPrinting(false); });

function save(name: string, blob: Blob): void {
  const url = URL.createObjectURL(blob);
  const link = h('a', { href: url, download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

function saveSvg(plot: Mounted): void {
  doNow(plot.draw);
  const svg = plot.chart?.renderToSVGString() ?? '';
  // An exported figure stands on the page's background, not on whatever is under it; hollow markers too.
  const rect = `<rect width="100%" height="100%" fill="${theme().background}"/>`;
  const filled = svg.replace(/^(<svg[^>]*>)/, `$1${rect}`).replace(/fill="#fff"/g, `fill="${theme().background}"`);
  save(`${plot.spec.id}.svg`, new Blob([filled], { type: 'image/svg+xml' }));
}

/// A button that saves a table, made when it is asked for.
export function csvButton(name: string, title: string, table: () => Table): HTMLElement {
  const button = h('button', { type: 'button', 'aria-label': `Download the data of ${title} as CSV` }, 'CSV');
  button.addEventListener('click', () => save(`${name}.csv`, new Blob([csv(table())], { type: 'text/csv' })));
  return button;
}

/// Adds the plot to `parent`, which must be on the page.
export function addPlot(parent: HTMLElement, spec: PlotSpec): void {
  const box = h('div', { class: 'plot', role: 'img', 'aria-label': spec.label });
  const button = h('button', { type: 'button', 'aria-label': `Download ${spec.title} as SVG` }, 'SVG');
  parent.append(h('figure', { id: `plot-${spec.id}` },
    h('div', { class: 'figure-head' }, h('h3', {}, spec.title, ' ', h('a', { class: 'anchor', href: `#plot-${spec.id}`, 'aria-label': `Link to ${spec.title}` }, '#')),
      h('span', { class: 'tools' }, button, csvButton(spec.id, spec.title, spec.table))),
    box,
    h('figcaption', {}, h('strong', {}, 'How to read it: '), spec.how),
    details('Data table', (body) => body.append(tableBox(spec.table(), `Data of ${spec.title}`)))));
  const plot: Mounted = { spec, box, chart: null, width: 0, near: false, pointed: false, draw: () => draw(plot) };
  plots.set(box, plot);
  reserve(plot);
  doLater(plot.draw, 'idle');
  button.addEventListener('click', () => saveSvg(plot));
  watchNear.observe(box);
  watchWidth.observe(box);
}
