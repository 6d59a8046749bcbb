import type { CustomSeriesRenderItem } from 'echarts';

import { segmentColour, depthAxis, present, tooltip } from '../axes';
import { undefinedBox } from '../dom';
import { interval, num, percent } from '../format';
import type { Cell } from '../format';
import { addPlot } from '../plot';
import type { Detection, EdgeEstimate, RunRecord } from '../record';
import { deciding, detectionName, headline, unique } from '../record';
import type { Theme } from '../theme';
import type { Section } from './section';

interface Row { name: string; boundaries: EdgeEstimate[]; forced: boolean }

function estimates(detection: Detection): { boundaries: EdgeEstimate[]; forced: boolean } {
  const forced = detection.boundaries.length === 0;
  return { boundaries: forced ? detection.forced_two : detection.boundaries, forced };
}

function rowsOf(record: RunRecord): Row[] {
  const first = headline(record);
  const others = deciding(record).filter((d) => d !== first);
  return [...(first === undefined ? [] : [first]), ...others].filter((d) => d.defined).map((detection) => {
    const { boundaries, forced } = estimates(detection);
    // The headline row shows what the page's segments show.
    const isForced = detection === first ? record.findings.segments_forced : forced;
    return { name: detectionName(detection), boundaries: isForced ? detection.forced_two : boundaries, forced: isForced };
  });
}

/// Where the row of detector i is on the y axis; the bars are at 0.
function rowAt(i: number): number {
  return i + 1.5;
}

/// Segments as coloured bars in the lowest row of the axis (y = 0), with their names.
function bars(record: RunRecord, theme: Theme, narrow: boolean): object {
  const { segments: found, segments_forced, start_up, read_out } = record.findings;
  const segments = [...found, ...[start_up, read_out].filter(present)];
  const fill = (i: number): string => (i < found.length ? segmentColour(i, theme) : theme.grey);
  const renderItem: CustomSeriesRenderItem = (params, api) => {
    const segment = segments[params.dataIndex];
    if (segment === undefined) return null;
    const [x1 = 0, y = 0] = api.coord([segment.begin - 0.5, 0]);
    const x2 = api.coord([segment.end - 0.5, 0])[0] ?? 0;
    const text = (words: string, dy: number, weight: 'bold' | 'normal') => ({
      type: 'text' as const,
      style: { text: words, x: (x1 + x2) / 2, y: y + dy, align: 'center' as const, verticalAlign: 'middle' as const, fill: segments_forced || params.dataIndex >= found.length ? theme.text : '#111111', fontSize: narrow ? 10 : 12, fontWeight: weight, width: x2 - x1 - 4, overflow: 'truncate' as const, ellipsis: '' },
    });
    return {
      type: 'group',
      children: [
        { type: 'rect', shape: { x: x1, y: y - 19, width: x2 - x1, height: 38 },
          style: { fill: fill(params.dataIndex), opacity: segments_forced || params.dataIndex >= found.length ? 0.35 : 0.75, stroke: theme.text, lineWidth: 1, lineDash: segments_forced ? [4, 3] : undefined } },
        text(segment.name, -8, 'bold'), text(`[${segment.begin},${segment.end})`, 9, 'normal'),
      ],
    };
  };
  return { type: 'custom', renderItem, data: segments.map((s) => [s.begin, 0, s.end]), encode: { x: [0, 2], y: 1 }, silent: true };
}

function marks(rows: Row[], theme: Theme): object {
  const points = rows.flatMap((row, i) => row.boundaries.map((boundary) => ({ row, i, boundary })));
  const renderItem: CustomSeriesRenderItem = (params, api) => {
    const point = points[params.dataIndex];
    if (point === undefined) return null;
    const { boundary, i, row } = point;
    const [x = 0, y = 0] = api.coord([boundary.edge - 0.5, rowAt(i)]);
    const lo = api.coord([(boundary.interval_90.lo ?? boundary.edge) - 0.5, rowAt(i)])[0] ?? x;
    const hi = api.coord([(boundary.interval_90.hi ?? boundary.edge) - 0.5, rowAt(i)])[0] ?? x;
    const line = (x1: number, y1: number, x2: number, y2: number) =>
      ({ type: 'line' as const, shape: { x1, y1, x2, y2 }, style: { stroke: theme.text, lineWidth: 2, lineDash: row.forced && y1 === y2 ? [4, 3] : undefined } });
    return {
      type: 'group',
      children: [line(lo, y, hi, y), line(lo, y - 5, lo, y + 5), line(hi, y - 5, hi, y + 5),
        { type: 'circle', shape: { cx: x, cy: y, r: 5 }, style: { fill: row.forced ? theme.background : theme.text, stroke: theme.text, lineWidth: 2 } }],
    };
  };
  return { type: 'custom', renderItem, data: points.map((p) => [p.boundary.edge - 0.5, rowAt(p.i)]), encode: { x: 0, y: 1 } };
}

function tableRows(rows: Row[], layers: number): Cell[][] {
  return rows.flatMap((row) => row.boundaries.map((b) =>
    [row.name, row.forced ? 'forced' : 'selected', b.edge, b.edge / layers, b.interval_90.lo, b.interval_90.hi, b.modal_share]));
}

export const segments: Section = {
  id: 'segments',
  title: 'Segments',
  render(record, body) {
    const rows = rowsOf(record);
    const { segments: found, segments_forced } = record.findings;
    if (rows.length === 0 && found.length === 0) {
      body.append(undefinedBox('Boundaries', unique(record.findings.detections.map((d) => d.note))));
      return;
    }
    const words = found.map((s) => `${s.name} blocks [${s.begin},${s.end})`).join(', ');
    const sure = (rows[0]?.boundaries ?? []).map((b) => `edge ${b.edge}, 90% interval ${interval(b.interval_90)}, modal share ${percent(b.modal_share)}`).join('; ');
    const names = [segments_forced ? 'segments (forced)' : 'segments', ...rows.map((row) => row.name + (row.forced ? ' (forced)' : ''))];
    addPlot(body, {
      id: 'segments',
      title: `Segments over depth${segments_forced ? ' (forced)' : ''}`,
      how: 'Coloured bars are the segments of the headline (grey: start-up and read-out, which are none); below, the boundaries of the rule (\u201ceither\u201d) and of its two detectors (dots) with their 90% intervals (whiskers). Hollow dots and dashed lines are forced splits that the tests did not select.',
      label: `Segments: ${words || 'none'}. Boundaries of the headline: ${sure || 'none'}.`,
      height: (width) => 96 + (width < 500 ? 38 : 30) * (rows.length + 1),
      option: ({ theme, width }) => ({
        grid: { left: width < 500 ? 12 : 234, right: 14, top: 8, bottom: 44 },
        tooltip: tooltip(theme, {
          formatter: (p: { value: number[] }) => `edge ${num((p.value[0] ?? 0) + 0.5)}`,
        }),
        xAxis: depthAxis(record, theme, { name: 'block', nameLocation: 'middle', nameGap: 26, max: record.model.n_layers - 0.5, nameTextStyle: { color: theme.faint } }),
        yAxis: {
          type: 'value', min: -0.9, max: rows.length + 1.1, interval: 1, inverse: true, splitLine: { show: false }, axisLine: { show: false }, axisTick: { show: false },
          axisLabel: { show: false },
        },
        series: [bars(record, theme, width < 500), marks(rows, theme), labels(names, width < 500, theme)] as never,
      }),
      table: () => ({
        columns: ['detector', 'kind', 'edge', 'relative_depth', 'interval_90_lo', 'interval_90_hi', 'modal_share'],
        rows: tableRows(rows, record.model.n_layers),
      }),
    });
  },
};

/// Row names: left of the axis, or above each row where the page is narrow.
function labels(names: string[], narrow: boolean, theme: Theme): object {
  const renderItem: CustomSeriesRenderItem = (params, api) => {
    const [x = 0, y = 0] = api.coord([-0.5, params.dataIndex === 0 ? 0 : rowAt(params.dataIndex - 1)]);
    const inside = narrow && params.dataIndex > 0;
    if (narrow && params.dataIndex === 0) return null;
    return {
      type: 'text',
      style: { text: names[params.dataIndex] ?? '', x: narrow ? x : x - 8, y: inside ? y - 15 : y, align: narrow ? 'left' : 'right', verticalAlign: 'middle', fill: theme.faint, fontSize: narrow ? 10 : 12 },
    };
  };
  return { type: 'custom', renderItem, clip: false, silent: true, data: names.map((_, i) => [-0.5, i === 0 ? 0 : rowAt(i - 1)]), encode: { x: 0, y: 1 } };
}
