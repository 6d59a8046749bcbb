import type { CustomSeriesRenderItem } from 'echarts';

import { tooltip } from '../axes';
import { details, paragraph, undefinedBox } from '../dom';
import { count, num } from '../format';
import type { Cell } from '../format';
import { addPlot } from '../plot';
import type { Cka, RunRecord } from '../record';
import { finite, tokenWords } from '../record';
import type { Theme } from '../theme';
import { kCividis } from '../theme';
import type { Section } from './section';

/// A boundary at edge e separates the outputs of blocks e-1 and e: states e and e+1.
function boundaryLines(record: RunRecord): object {
  const edges = record.findings.segments.slice(1).map((segment) => segment.begin);
  const last = record.model.n_layers;
  const renderItem: CustomSeriesRenderItem = (params, api) => {
    const edge = edges[params.dataIndex];
    if (edge === undefined) return null;
    const size = api.size?.([1, 1]) as number[];
    const w = size[0] ?? 0;
    const hgt = size[1] ?? 0;
    const [x = 0, y = 0] = api.coord([edge, edge]);
    const [x0 = 0, y0 = 0] = api.coord([0, 0]);
    const [x1 = 0, y1 = 0] = api.coord([last, last]);
    const at = { x: x + w / 2, y: y + hgt / 2 };
    const line = (a: number, b: number, c: number, d: number) => [
      { type: 'line' as const, shape: { x1: a, y1: b, x2: c, y2: d }, style: { stroke: '#000000', lineWidth: 3 } },
      { type: 'line' as const, shape: { x1: a, y1: b, x2: c, y2: d }, style: { stroke: '#ffffff', lineWidth: 1.5, lineDash: record.findings.segments_forced ? [5, 4] : undefined } },
    ];
    return { type: 'group', children: [...line(at.x, y0 - hgt / 2, at.x, y1 + hgt / 2), ...line(x0 - w / 2, at.y, x1 + w / 2, at.y)] };
  };
  return { type: 'custom', renderItem, data: edges.map((e) => [e, e]), encode: { x: 0, y: 1 }, silent: true, z: 5 };
}

function matrixTitle(cka: Cka): string {
  return `CKA between states, ${tokenWords(cka.tokens)}, ${cka.scale === 'token_rms' ? 'each token divided by its RMS' : 'states as they are'}`;
}

function addMatrix(record: RunRecord, body: HTMLElement, cka: Cka): void {
  const states = cka.value.map((_, i) => String(i));
  const cells = cka.value.flatMap((row, i) => row.flatMap((v, j) => (v === null ? [] : [[i, j, v] as [number, number, number]])));
  const low = Math.min(0.95, Math.floor(10 * Math.min(...finite(cka.value.flat()))) / 10);
  const rows: Cell[][] = cka.value.flatMap((row, i) => row.map((v, j): Cell[] => [i, j, v]).filter((_, j) => j <= i));
  const axis = (theme: Theme) => ({
    type: 'category' as const, data: states, axisLabel: { color: theme.faint, hideOverlap: true }, axisLine: { lineStyle: { color: theme.faint } },
    nameLocation: 'middle' as const, nameTextStyle: { color: theme.faint }, name: 'state',
  });
  const side = (width: number) => Math.min(width - 70, 520);
  addPlot(body, {
    id: `cka-${cka.tokens}${cka.scale === 'token_rms' ? '' : '-raw'}`,
    title: matrixTitle(cka),
    how: 'Each cell compares two states: 1 means the same geometry up to rotation and scale, 0 nothing in common; blocks of bright cells on the diagonal are segments, lines are the boundaries (dashed when forced).',
    label: `Heatmap of debiased linear CKA between ${states.length} states, from ${num(low)} to 1. Boundaries at edges ${record.findings.segments.slice(1).map((s) => s.begin).join(', ') || 'none'}.`,
    height: (width) => side(width) + 110,
    option: ({ theme, width }) => ({
      grid: { left: 50, top: 10, width: side(width), height: side(width) },
      xAxis: { ...axis(theme), nameGap: 26 },
      yAxis: { ...axis(theme), inverse: true, nameGap: 32 },
      tooltip: tooltip(theme, { formatter: (p: { value: number[] }) => `states ${p.value[0]} and ${p.value[1]}: ${num(p.value[2], 4)}` }),
      visualMap: {
        min: low, max: 1, calculable: false, seriesIndex: 0, orient: 'horizontal', left: 50, bottom: 4, itemWidth: 12, itemHeight: 140, precision: 2,
        text: ['1', num(low)], textStyle: { color: theme.text }, inRange: { color: kCividis },
      },
      series: [{ type: 'heatmap', data: cells, progressive: 0, emphasis: { disabled: true } }, boundaryLines(record)] as never,
    }),
    table: () => ({ columns: ['state_a', 'state_b', 'cka'], rows }),
  });
  body.append(paragraph(`${count(cka.n_tokens)} tokens in ${count(cka.n_batches)} batches, ${cka.n_replicates} half-samples of documents.${cka.note === '' ? '' : ` ${cka.note}.`}`, 'faint'));
}

export const cka: Section = {
  id: 'cka',
  title: 'Similarity of states',
  render(record, body) {
    if (record.cka.length === 0) body.append(undefinedBox('CKA', ['it was not computed']));
    const first = record.cka.find((one) => one.tokens === 'ordinary' && one.scale === 'token_rms') ?? record.cka.find((one) => one.tokens === 'ordinary');
    for (const one of record.cka) {
      if (one.value.length === 0) body.append(undefinedBox(matrixTitle(one), one.note === '' ? [] : [one.note]));
      else if (one === first) addMatrix(record, body, one);
      else body.append(details(matrixTitle(one), (box) => addMatrix(record, box, one)));
    }
  },
};
