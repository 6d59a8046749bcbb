// A plot on the page: chart, one sentence how to read it, its SVG, its data as CSV and as a table.
import * as echarts from 'echarts/core';
import { BarChart, CustomChart, HeatmapChart, LineChart } from 'echarts/charts';
import { AriaComponent, GridComponent, LegendComponent, MarkAreaComponent, MarkLineComponent, TitleComponent, TooltipComponent, VisualMapComponent } from 'echarts/components';
import { SVGRenderer } from 'echarts/renderers';
import type { EChartsOption } from 'echarts';

import { details, h, tableBox } from './dom';
import type { Table } from './format';
import { csv } from './format';
import { onThemeChange, setPrinting, theme } from './theme';
import type { Theme } from './theme';

echarts.use([BarChart, CustomChart, HeatmapChart, LineChart, AriaComponent, GridComponent, LegendComponent,
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
}

interface Mounted { spec: PlotSpec; box: HTMLElement; chart: echarts.ECharts; width: number }

const kPrintWidth = 660;  // A4 less its margins, in CSS pixels
const plots: Mounted[] = [];
let showAll = true;
let forcedWidth = 0;

function draw(plot: Mounted): void {
  const width = forcedWidth || plot.box.clientWidth || 640;
  const height = plot.spec.height(width);
  plot.width = width;
  plot.box.style.height = `${height}px`;
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

function redrawAll(): void {
  for (const plot of plots) draw(plot);
}

export function setShowAll(value: boolean): void {
  showAll = value;
  redrawAll();
}

onThemeChange(redrawAll);
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
  const svg = plot.chart.renderToSVGString();
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
    h('div', { class: 'figure-head' }, h('h3', {}, spec.title), h('span', { class: 'tools' }, button, data)),
    box,
    h('figcaption', {}, h('strong', {}, 'How to read it: '), spec.how),
    details('Data table', (body) => body.append(tableBox(spec.table, `Data of ${spec.title}`)))));
  const plot: Mounted = { spec, box, chart: echarts.init(box, null, { renderer: 'svg', width: 640, height: 200 }), width: 0 };
  plots.push(plot);
  draw(plot);
  button.addEventListener('click', () => saveSvg(plot));
  new ResizeObserver(() => {
    if (forcedWidth === 0 && box.clientWidth !== plot.width && box.clientWidth > 0) draw(plot);
  }).observe(box);
}
