// Small multiples over depth: one panel under the other, the same x axis, one cursor, segments shaded.
import { band, depthAxis, segmentAreas, tooltip, valueAxis } from './axes';
import type { Deep, Shaded } from './axes';
import { num } from './format';
import type { Context } from './plot';
import type { Value } from './record';
import { finite } from './record';
import type { Theme } from './theme';
import { kMarkers, kMarkerText, kStyles, series } from './theme';

/// `error` is one standard error; on a log axis the band is y exp(-+ 2 error_ln).
export interface Line { name: string; x: number[]; y: Value[]; error?: Value[]; relative?: boolean }
/// `most`: the largest value that there can be; the axis names none above it.
export interface DepthPanel { title: string; log: boolean; lines: Line[]; most?: number; level?: { at: number; name: string } }
/// Depth and segments of what is shown.
export interface Where extends Deep, Shaded {}

const kPanelHeight = 150;
const kHead = 42;  // title and key of a panel
const kGap = 26;   // tick labels

export function panelsHeight(panels: DepthPanel[]): number {
  return panels.length * (kHead + kPanelHeight + kGap) + 20;
}

/// Worth a log axis: positive values over more than a factor of 20.
export function wantsLog(values: Value[]): boolean {
  const all = finite(values);
  const low = Math.min(...all);
  return all.length > 0 && low > 0 && Math.max(...all) / low > 20;
}

/// Marker and name of each line, as rich text under the title.
export function keyOf(names: string[], theme: Theme, width: number): { subtext: string; subtextStyle: object } {
  const rich = Object.fromEntries(names.map((_, i) => [`m${i}`, { color: series(i, theme), fontSize: 12, fontWeight: 'bold' }]));
  return {
    subtext: names.length > 1 ? names.map((name, i) => `{m${i}|${kMarkerText[i % kMarkerText.length]}} ${name}`).join('   ') : '',
    subtextStyle: { color: theme.faint, fontSize: 11, rich, width, overflow: 'truncate' },
  };
}

function drawn(line: Line, i: number, panel: number, log: boolean, small: boolean, theme: Theme): object[] {
  const colour = series(i, theme);
  const out: object[] = [];
  const y = line.y.map((v) => (log && v !== null && v <= 0 ? null : v));
  if (line.error !== undefined) {
    const relative = line.relative === true;
    const low = log ? Math.min(...finite(y)) / 3 : -Infinity;
    const half = line.error.map((e, k) => {
      const at = y[k];
      if (e === null || at === null || at === undefined) return null;
      return relative ? at * Math.min(Math.expm1(2 * e) / 2, 10) : e;
    });
    out.push(band(line.x, y, half, colour, low, panel));
  }
  out.push({
    type: 'line', name: line.name, xAxisIndex: panel, yAxisIndex: panel, z: 4, connectNulls: false,
    data: line.x.map((at, k) => [at, y[k] ?? null]), symbol: kMarkers[i % kMarkers.length], symbolSize: small ? 4 : 7,
    lineStyle: { color: colour, width: 2, type: kStyles[i % kStyles.length] }, itemStyle: { color: colour },
  });
  return out;
}

/// The ends of an axis whose level is always in sight; null leaves an end to the library.
function ends({ level, log }: DepthPanel): object {
  if (level === undefined) return {};
  const low = log ? level.at : Math.min(0, level.at);
  return { min: (v: { min: number }) => (v.min > level.at ? low : null), max: (v: { max: number }) => (v.max < level.at ? level.at : null) };
}

export function panelsOption(where: Where, panels: DepthPanel[], { theme, width }: Context, axisName: string): object {
  const top = (i: number): number => i * (kHead + kPanelHeight + kGap) + kHead;
  const last = panels.length - 1;
  return {
    axisPointer: { link: [{ xAxisIndex: 'all' }] },
    title: panels.map((panel, i) => ({
      text: panel.title + (panel.log ? ', log scale' : ''), left: 62, top: top(i) - kHead, itemGap: 3, padding: [2, 0, 0, 0],
      textStyle: { fontSize: 12, fontWeight: 'bold', color: theme.text, width: width - 80, overflow: 'truncate' },
      ...keyOf(panel.lines.map((line) => line.name), theme, width - 80),
    })),
    grid: panels.map((_, i) => ({ left: 62, right: 14, top: top(i), height: kPanelHeight })),
    xAxis: panels.map((_, i) => depthAxis(where, theme, { gridIndex: i, name: i === last ? axisName : '', nameLocation: 'middle', nameGap: 24, nameTextStyle: { color: theme.faint } })),
    yAxis: panels.map((panel, i) => valueAxis(theme, {
      type: panel.log ? 'log' : 'value', gridIndex: i, scale: true, splitNumber: 3, ...ends(panel),
      axisLabel: { color: theme.faint, hideOverlap: true, formatter: (v: number) => (v > (panel.most ?? Infinity) ? '' : num(v)) },
    })),
    series: panels.flatMap((panel, i) => [
      ...panel.lines.flatMap((line, k) => drawn(line, k, i, panel.log, where.model.n_layers > 40, theme)),
      {
        type: 'line', name: 'segments', xAxisIndex: i, yAxisIndex: i, data: [], silent: true, markArea: segmentAreas(where, theme, i === 0),
        ...(panel.level === undefined ? {} : {
          markLine: { silent: true, symbol: 'none', data: [{ yAxis: panel.level.at }], lineStyle: { color: theme.text, type: 'dashed', width: 1.5 }, label: { show: true, formatter: panel.level.name, color: theme.text, position: Math.max(...panel.lines.flatMap((line) => finite(line.y))) < panel.level.at ? 'insideStartBottom' : 'insideStartTop', fontSize: 11 } },
        }),
      },
    ]),
    tooltip: tooltip(theme, { trigger: 'axis', axisPointer: { type: 'line' }, valueFormatter: (v: unknown) => num(typeof v === 'number' ? v : null, 4) }),
  };
}
