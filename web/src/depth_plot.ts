// Small multiples over depth: one panel for each signal, the same x axis, segments shaded.
import { band, depthAxis, edgeLines, kDepthNote, segmentAreas, tooltip, valueAxis } from './axes';
import { num } from './format';
import type { Cell, Table } from './format';
import { wantsLog } from './panels';
import { addPlot } from './plot';
import type { Context } from './plot';
import type { NullSeries, RunRecord, Series } from './record';
import { finite, headline, shuffled } from './record';

export interface Panel { id: string; ordinary?: Series; all?: Series }

export function panelsOf(record: RunRecord, group: string): Panel[] {
  const panels = new Map<string, Panel>();
  for (const series of record.series) {
    if (series.group !== group) continue;
    const panel = panels.get(series.id) ?? { id: series.id };
    if (series.tokens === 'ordinary') panel.ordinary = series;
    else panel.all = series;
    panels.set(series.id, panel);
  }
  return [...panels.values()];
}

export function isDefined(panel: Panel): boolean {
  return [panel.ordinary, panel.all].some((series) => series !== undefined && finite(series.mean).length > 0);
}

export function notes(panel: Panel): string[] {
  return [panel.ordinary, panel.all].flatMap((series) =>
    series === undefined || series.note === '' ? [] : [`${series.id}, ${series.tokens === 'all' ? 'all tokens' : 'ordinary tokens'}: ${series.note}`]);
}

function positions(series: Series | NullSeries): number[] {
  return series.mean.map((_, i) => (series.axis === 'edge' ? i + 0.5 : i));
}

const kNullName = 'shuffled text';

/// The same signal on shuffled text.
function nullOf(record: RunRecord, panel: Panel): NullSeries | undefined {
  return shuffled(record)?.series.find((s) => s.id === panel.id && finite(s.mean).length > 0);
}

const kPanelHeight = 150;
const kGap = 46;

function option(record: RunRecord, panels: Panel[], logAllowed: boolean, { theme, showAll, width }: Context) {
  const grids: object[] = [];
  const titles: object[] = [];
  const xAxes: object[] = [];
  const yAxes: object[] = [];
  const series: object[] = [];
  panels.forEach((panel, i) => {
    const one = panel.ordinary ?? panel.all;
    if (one === undefined) return;
    const log = logAllowed && wantsLog([panel.ordinary, panel.all].flatMap((x) => x?.mean ?? []));
    const top = 24 + i * (kPanelHeight + kGap);
    const last = i === panels.length - 1;
    grids.push({ left: 62, right: 14, top, height: kPanelHeight });
    titles.push({ text: `${panel.id} (${one.unit})${log ? ', log scale' : ''} \u2013 by ${one.axis}`, left: 62, top: top - 22, textStyle: { fontSize: 12, fontWeight: 'bold', color: theme.text, width: width - 80, overflow: 'truncate' } });
    xAxes.push(depthAxis(record, theme, { gridIndex: i, name: last ? 'block (or state index)' : '', nameLocation: 'middle', nameGap: 24, nameTextStyle: { color: theme.faint } }));
    yAxes.push(valueAxis(theme, { type: log ? 'log' : 'value', gridIndex: i, scale: true, splitNumber: 3, axisLabel: { color: theme.faint, hideOverlap: true, formatter: (v: number) => num(v) } }));
    const shown: [Series | undefined, string, string, string][] = [
      [panel.ordinary, theme.ordinary, 'solid', 'circle'],
      [showAll ? panel.all : undefined, theme.all, 'dashed', 'emptyTriangle'],
    ];
    for (const [values, colour, dash, symbol] of shown) {
      if (values === undefined) continue;
      const x = positions(values);
      const floor = log ? Math.min(...finite(values.mean).filter((v) => v > 0)) / 3 : -Infinity;
      series.push(band(x, values.mean, values.standard_error, colour, floor, i));
      series.push({
        type: 'line', name: values.tokens === 'all' ? 'all tokens' : 'ordinary tokens', xAxisIndex: i, yAxisIndex: i,
        data: x.map((at, k) => [at, values.mean[k] ?? null]), connectNulls: false, symbol, symbolSize: record.model.n_layers > 40 ? 3 : 6, z: 4,
        lineStyle: { color: colour, width: 2, type: dash }, itemStyle: { color: colour },
      });
    }
    const none = nullOf(record, panel);
    if (none !== undefined) {
      series.push({
        type: 'line', name: kNullName, xAxisIndex: i, yAxisIndex: i, data: positions(none).map((at, k) => [at, none.mean[k] ?? null]), connectNulls: false, symbol: 'none', z: 3,
        lineStyle: { color: theme.grey, width: 2, type: [6, 4] }, itemStyle: { color: theme.grey },
      });
    }
    series.push({ type: 'line', name: 'segments', xAxisIndex: i, yAxisIndex: i, data: [], silent: true, markArea: segmentAreas(record.findings, theme, i === 0), markLine: edgeLines(headline(record), theme) });
  });
  return {
    grid: grids, title: titles, xAxis: xAxes, yAxis: yAxes, series: series as never,
    axisPointer: { link: [{ xAxisIndex: 'all' as const }] },
    tooltip: tooltip(theme, { trigger: 'axis', axisPointer: { type: 'line' }, valueFormatter: (v: unknown) => num(typeof v === 'number' ? v : null, 4) }),
    legend: { show: false },
  };
}

function table(record: RunRecord, panels: Panel[]): Table {
  const rows: Cell[][] = [];
  for (const panel of panels) {
    for (const series of [panel.ordinary, panel.all]) {
      series?.mean.forEach((mean, i) =>
        rows.push([series.id, series.unit, series.tokens, series.axis, series.axis === 'edge' ? i + 1 : i, mean, series.standard_error[i] ?? null]));
    }
    const none = nullOf(record, panel);
    none?.mean.forEach((mean, i) => rows.push([none.id, panel.ordinary?.unit ?? '', kNullName, none.axis, none.axis === 'edge' ? i + 1 : i, mean, null]));
  }
  return { columns: ['signal', 'unit', 'tokens', 'axis', 'index', 'mean', 'standard_error'], rows };
}

export function addDepthPlot(record: RunRecord, body: HTMLElement, id: string, title: string, panels: Panel[], logAllowed: boolean): void {
  const names = panels.map((panel) => panel.id).join(', ');
  const grey = panels.some((panel) => nullOf(record, panel) !== undefined);
  addPlot(body, {
    id, title, linked: true,
    how: `Solid line with circles: ordinary tokens; dashed line with triangles: all tokens; bands: \u00b12 standard errors over documents; shading: segments (grey: start-up and read-out); vertical lines: boundaries.${grey ? ' Grey dashes: ordinary tokens of shuffled text; where they follow the line, it is not the text that makes it.' : ''} ${kDepthNote}`,
    label: `${names} over depth, ordinary and all tokens, with the segments shaded. The values are in the data table.`,
    height: () => 24 + panels.length * (kPanelHeight + kGap),
    option: (context) => option(record, panels, logAllowed, context),
    table: () => table(record, panels),
  });
}
