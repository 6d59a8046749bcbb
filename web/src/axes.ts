// Pieces that the plots over depth share.
import type { CustomSeriesRenderItem, EChartsOption } from 'echarts';

import type { Detection, Segment, Value } from './record';
import type { Theme } from './theme';

export const kDepthNote =
  'The x axis is the block number; values that belong to a state stand at their state index (state i is the input of block i).';

export function segmentColour(index: number, theme: Theme): string {
  return theme.segments[index % theme.segments.length] ?? '#888888';
}

/// What is shaded behind a plot over depth: segments, and start-up and read-out in grey.
export interface Shaded { segments: Segment[]; start_up?: Segment; read_out?: Segment }

/// Block l is drawn at x = l, so the edge between blocks e-1 and e is at e - 0.5.
export function segmentAreas({ segments, start_up, read_out }: Shaded, theme: Theme, labelled: boolean) {
  return {
    silent: true,
    data: [...segments.map((segment, i) => [
      {
        xAxis: segment.begin - 0.5,
        itemStyle: { color: segmentColour(i, theme), opacity: theme.shade },
        label: { show: labelled, formatter: segment.name, position: 'insideTop' as const, color: theme.text, fontSize: 11, distance: 2 },
      },
      { xAxis: segment.end - 0.5 },
    ]), ...[start_up, read_out].filter(present).map((end) => [
      { xAxis: end.begin - 0.5, itemStyle: { color: theme.grey, opacity: theme.shade },
        label: { show: labelled, formatter: end.name, position: 'insideTop' as const, color: theme.text, fontSize: 11, distance: 16 } },
      { xAxis: end.end - 0.5 },
    ])] as never,
  };
}

export function present(range: Segment | undefined): range is Segment {
  return range !== undefined && range.end > range.begin;
}

/// A vertical line at each boundary of the headline; none at those of a forced split.
export function edgeLines(found: Detection | undefined, theme: Theme) {
  return {
    silent: true, symbol: 'none', label: { show: false }, lineStyle: { color: theme.text, type: 'solid' as const, width: 1.5 },
    data: (found?.boundaries ?? []).map((b) => ({ xAxis: b.edge - 0.5 })),
  };
}

export function valueAxis(theme: Theme, extra: object = {}) {
  return {
    type: 'value' as const,
    axisLabel: { color: theme.faint, hideOverlap: true },
    axisLine: { show: true, onZero: false, lineStyle: { color: theme.faint } },
    splitLine: { lineStyle: { color: theme.line, opacity: 0.5 } },
    ...extra,
  };
}

/// What the depth axis needs of a record.
export interface Deep { model: { n_layers: number } }

export function depthAxis(record: Deep, theme: Theme, extra: object = {}) {
  return valueAxis(theme, {
    min: -0.5, max: record.model.n_layers + 0.5, minInterval: 1, splitLine: { show: false },
    axisLabel: { color: theme.faint, hideOverlap: true, formatter: (v: number) => (Number.isInteger(v) ? String(v) : '') },
    ...extra,
  });
}

export function tooltip(theme: Theme, extra: object = {}) {
  return {
    backgroundColor: theme.background, borderColor: theme.line, textStyle: { color: theme.text, fontSize: 12 },
    confine: true, ...extra,
  };
}

export interface Point { x: number; lo: number; hi: number }

/// Runs of defined points, so that a gap stays a gap.
function runs(points: (Point | null)[]): Point[][] {
  const out: Point[][] = [[]];
  for (const point of points) {
    if (point === null) out.push([]);
    else out[out.length - 1]?.push(point);
  }
  return out.filter((run) => run.length > 0);
}

/// mean +- 2 standard errors as a filled band.
export function band(x: number[], mean: Value[], error: Value[], colour: string, floor: number, axisIndex: number): object {
  const pieces = runs(x.map((at, i) => {
    const m = mean[i];
    const e = error[i];
    if (m === null || m === undefined || e === null || e === undefined) return null;
    return { x: at, lo: Math.max(m - 2 * e, floor), hi: Math.max(m + 2 * e, floor) };
  }));
  const renderItem: CustomSeriesRenderItem = (params, api) => {
    const piece = pieces[params.dataIndex] ?? [];
    const top = piece.map((p) => api.coord([p.x, p.hi]));
    const bottom = piece.map((p) => api.coord([p.x, p.lo])).reverse();
    return { type: 'polygon', shape: { points: [...top, ...bottom] as number[][] }, style: { fill: colour, opacity: 0.25 } };
  };
  return {
    type: 'custom', renderItem, xAxisIndex: axisIndex, yAxisIndex: axisIndex, silent: true, clip: true, z: 1,
    data: pieces.map((piece) => [piece[0]?.x ?? 0, piece[0]?.hi ?? 0, piece[0]?.lo ?? 0]), encode: { x: 0, y: [1, 2] },
    tooltip: { show: false },
  };
}

/// Vertical bars from lo to hi with caps.
export function whiskers(points: Point[], colour: string): object {
  const renderItem: CustomSeriesRenderItem = (params, api) => {
    const p = points[params.dataIndex];
    if (p === undefined) return null;
    const [x = 0, top = 0] = api.coord([p.x, p.hi]);
    const bottom = api.coord([p.x, p.lo])[1] ?? 0;
    const line = (x1: number, y1: number, x2: number, y2: number) =>
      ({ type: 'line' as const, shape: { x1, y1, x2, y2 }, style: { stroke: colour, lineWidth: 1.5 } });
    return { type: 'group', children: [line(x, top, x, bottom), line(x - 3, top, x + 3, top), line(x - 3, bottom, x + 3, bottom)] };
  };
  return { type: 'custom', renderItem, silent: true, clip: true, z: 3, data: points.map((p) => [p.x, p.hi, p.lo]), encode: { x: 0, y: [1, 2] }, tooltip: { show: false } };
}

export type Option = EChartsOption;
