// What plots of several families share: colour and marker of a family, rows with intervals.
import type { CustomSeriesRenderItem } from 'echarts';

import type { Value } from '../record';
import { kMarkers, kMarkerText, series } from '../theme';
import type { Theme } from '../theme';

export function familyMarker(index: number, hollow: boolean): string {
  const symbol = kMarkers[index % 4] ?? 'circle';
  return hollow ? `empty${symbol[0]?.toUpperCase() ?? ''}${symbol.slice(1)}` : symbol;
}

/// "(circle) llama   (triangle) qwen" as rich text of a title.
export function familyKey(families: string[], theme: Theme): object {
  return {
    text: families.map((name, i) => `{m${i}|${kMarkerText[i % 4]}} ${name}`).join('    '), left: 8, top: 0,
    textStyle: { fontSize: 12, fontWeight: 'normal', color: theme.text, rich: Object.fromEntries(families.map((_, i) => [`m${i}`, { color: series(i, theme), fontSize: 13 }])) },
  };
}

export interface Span { at: number; lo: Value; hi: Value; family: number; dashed: boolean }

/// Horizontal (x over rows) or vertical (y over columns) interval bars with caps.
export function spans(all: Span[], axis: 'x' | 'y', theme: Theme, axisIndex = 0): object {
  const shown = all.filter((s): s is Span & { lo: number; hi: number } => s.lo !== null && s.hi !== null);
  const renderItem: CustomSeriesRenderItem = (params, api) => {
    const s = shown[params.dataIndex];
    if (s === undefined) return null;
    const point = (v: number) => api.coord(axis === 'x' ? [v, s.at] : [s.at, v]) as [number, number];
    const [ax, ay] = point(s.lo);
    const [bx, by] = point(s.hi);
    const line = (x1: number, y1: number, x2: number, y2: number, dash?: number[]) =>
      ({ type: 'line' as const, shape: { x1, y1, x2, y2 }, style: { stroke: series(s.family, theme), lineWidth: 2, lineDash: dash } });
    const cap = axis === 'x' ? [0, 4] as const : [4, 0] as const;
    return {
      type: 'group',
      children: [line(ax, ay, bx, by, s.dashed ? [4, 3] : undefined), line(ax - cap[0], ay - cap[1], ax + cap[0], ay + cap[1]), line(bx - cap[0], by - cap[1], bx + cap[0], by + cap[1])],
    };
  };
  return { type: 'custom', renderItem, silent: true, clip: true, z: 2, xAxisIndex: axisIndex, yAxisIndex: axisIndex, tooltip: { show: false }, data: shown.map((s) => [s.at, s.lo, s.hi]), encode: axis === 'x' ? { x: [1, 2], y: 0 } : { x: 0, y: [1, 2] } };
}

/// Names of rows, left of the plot, or above each row where the page is narrow.
export function rowNames(names: { text: string; bold?: boolean }[], narrow: boolean, theme: Theme, room: number, lift = 13): object {
  const renderItem: CustomSeriesRenderItem = (params, api) => {
    const one = names[params.dataIndex];
    if (one === undefined) return null;
    const y = (api.coord([0, params.dataIndex]) as number[])[1] ?? 0;
    const left = (params.coordSys as unknown as { x: number }).x;
    return {
      type: 'text',
      style: { text: one.text, x: narrow ? left : left - 8, y: narrow ? y - lift : y, align: narrow ? 'left' : 'right', verticalAlign: 'middle', fill: theme.text, fontSize: narrow ? 10 : 12, fontWeight: one.bold === true ? 'bold' : 'normal', width: narrow ? undefined : room - 12, overflow: narrow ? undefined : 'truncate' },
    };
  };
  return { type: 'custom', renderItem, clip: false, silent: true, z: 5, tooltip: { show: false }, data: names.map((_, i) => [0, i]), encode: { x: -1, y: 1 } };
}

/// A y axis of `count` rows from the top.
export function rowAxis(count: number): object {
  return { type: 'value', min: -0.9, max: count - 0.3, inverse: true, splitLine: { show: false }, axisLine: { show: false }, axisTick: { show: false }, axisLabel: { show: false } };
}
