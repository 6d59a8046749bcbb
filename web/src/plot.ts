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
  table: Table;
  linked?: boolean;  // the x axes are block numbers: its cursor moves with that of the others
}

interface Mounted { spec: PlotSpec; box: HTMLElement; chart: echarts.ECharts | null; width: number }

const kPrintWidth = 660;  // A4 less its margins, in CSS pixels
const plots: Mounted[] = [];
let showAll = true;
let forcedWidth = 0;

const kInsideFirstPanel = 60;  // pixels from the top: within the first panel of every plot over depth

/// The other plots over depth show their cursor where this one's is. (echarts.connect looks for the same series
/// and point in the other chart, which these do not have.)
function lead(source: Mounted, chart: echarts.ECharts): void {
  chart.on('updateAxisPointer', (event) => {
    const at = (event as { axesInfo?: { value: number }[] }).axesInfo?.[0]?.value;
    for (const { spec, chart: other, box } of plots) {
      if (spec.linked !== true || other === null || box === source.box) continue;
      const where = at === undefined ? { currTrigger: 'leave' } : { currTrigger: 'mousemove', x: other.convertToPixel({ xAxisIndex: 0 }, at), y: kInsideFirstPanel };
      other.dispatchAction({ type: 'updateAxisPointer', ...where }, { silent: true });
    }
  });
}

/// Takes the room that the plot will need, so that nothing moves when it is drawn.
function reserve(plot: Mounted): { width: number; height: number } {
  const width = forcedWidth || plot.box.clientWidth || 640;
  const height = plot.spec.height(width);
  plot.width = width;
  plot.box.style.height = `${height}px`;
  return { width, height };
}

function draw(plot: Mounted): void {
  const { width, height } = reserve(plot);
  if (plot.chart === null) {
    plot.chart = echarts.init(plot.box, null, { renderer: 'svg', width, height });
    if (plot.spec.linked === true) lead(plot, plot.chart);
  }
  plot.chart.resize({ width, height });
  const context = { theme: theme(), width, showAll };
  const base: EChartsOption = {
    animation: false,
    backgroundColor: 'transparent',
    textStyle: { color: context.theme.text, fontFamily: 'system-ui, sans-serif' },
    aria: { enabled: false },  // the figure carries its own label
  };
  plot.chart.setOption({ ...base, ...plot.spec.option(context) }, { notMerge: true });
}

// Plots that nobody has seen yet are drawn one in each task, the visible ones first, so that the page answers
// from the start. <html data-plots="drawn"> says that none is left.
let pumping = false;

function inView(plot: Mounted): boolean {
  const { top, bottom } = plot.box.getBoundingClientRect();
  return bottom > 0 && top < window.innerHeight;
}

function pump(): void {
  const waiting = plots.filter((plot) => plot.chart === null);
  const next = waiting.find(inView) ?? waiting[0];
  if (next !== undefined) draw(next);
  pumping = waiting.length > 1;
  document.documentElement.dataset['plots'] = pumping ? 'waiting' : 'drawn';
  if (pumping) setTimeout(pump, 0);
}

function enqueue(plot: Mounted): void {
  plots.push(plot);
  reserve(plot);
  document.documentElement.dataset['plots'] = 'waiting';
  if (!pumping) setTimeout(pump, 0);
  pumping = true;
}

/// Draws those that wait only when `everything`: paper shows all of them.
function redraw(everything: boolean): void {
  for (const plot of plots) if (everything || plot.chart !== null) draw(plot);
}

export function setShowAll(value: boolean): void {
  showAll = value;
  redraw(false);
}

onThemeChange(() => redraw(forcedWidth > 0));
window.addEventListener('beforeprint', () => { forcedWidth = kPrintWidth; setPrinting(true); });
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
  if (plot.chart === null) draw(plot);
  const svg = plot.chart?.renderToSVGString() ?? '';
  // An exported figure stands on the page's background, not on whatever is under it.
  const rect = `<rect width="100%" height="100%" fill="${theme().background}"/>`;
  const filled = svg.replace(/^(<svg[^>]*>)/, `$1${rect}`);
  save(`${plot.spec.id}.svg`, new Blob([filled], { type: 'image/svg+xml' }));
}

/// Adds the plot to `parent`, which must be on the page.
export function addPlot(parent: HTMLElement, spec: PlotSpec): void {
  const box = h('div', { class: 'plot', role: 'img', 'aria-label': spec.label });
  const button = h('button', { type: 'button', 'aria-label': `Download ${spec.title} as SVG` }, 'SVG');
  const data = h('a', {
    class: 'button', download: `${spec.id}.csv`, 'aria-label': `Download the data of ${spec.title} as CSV`,
    href: 'data:text/csv;charset=utf-8,' + encodeURIComponent(csv(spec.table)),
  }, 'CSV');
  parent.append(h('figure', { id: `plot-${spec.id}` },
    h('div', { class: 'figure-head' }, h('h3', {}, spec.title, ' ', h('a', { class: 'anchor', href: `#plot-${spec.id}`, 'aria-label': `Link to ${spec.title}` }, '#')), h('span', { class: 'tools' }, button, data)),
    box,
    h('figcaption', {}, h('strong', {}, 'How to read it: '), spec.how),
    details('Data table', (body) => body.append(tableBox(spec.table, `Data of ${spec.title}`)))));
  const plot: Mounted = { spec, box, chart: null, width: 0 };
  enqueue(plot);
  button.addEventListener('click', () => saveSvg(plot));
  new ResizeObserver(() => {
    if (forcedWidth > 0 || box.clientWidth === plot.width || box.clientWidth === 0) return;
    if (plot.chart === null) reserve(plot);
    else draw(plot);
  }).observe(box);
}
