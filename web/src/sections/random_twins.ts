// This model among networks of its architecture with random weights, which have learnt nothing.
import { tooltip, valueAxis } from '../axes';
import { h, notRun, paragraph, tableBox, undefinedBox } from '../dom';
import { kMissing, num } from '../format';
import type { Cell } from '../format';
import { addPlot } from '../plot';
import type { Context } from '../plot';
import type { RandomTwins, RunRecord, Value } from '../record';
import { detectionName, finite, unique } from '../record';

const kRow = 92;

function place(t: RandomTwins): string {
  return `rank ${t.rank} of ${t.statistic.length + 1}, p = ${num(t.p_value)}`;
}

function option(shown: RandomTwins[], { theme, width }: Context): object {
  const top = (i: number): number => 26 + i * kRow;
  const span = (t: RandomTwins): { min: number; max: number } => {
    const all = finite([t.observed, ...t.statistic]);
    const margin = 0.06 * (Math.max(...all) - Math.min(...all)) || 1;
    return { min: Math.min(...all) - margin, max: Math.max(...all) + margin };
  };
  const dots = (i: number, name: string, values: Value[], extra: object) => ({
    type: 'scatter', name, xAxisIndex: i, yAxisIndex: i, data: finite(values).map((v) => [v, 0]), ...extra,
  });
  return {
    title: [
      { text: `{r|\u25cb} random weights    {m|\u25c6} this model`, left: 50, top: 0, textStyle: { fontSize: 12, fontWeight: 'normal', color: theme.text, rich: { r: { color: theme.faint, fontSize: 13 }, m: { color: theme.all, fontSize: 13 } } } },
      ...shown.map((t, i) => ({ text: `${detectionName(t)}: ${place(t)}`, left: 50, top: top(i), textStyle: { fontSize: 12, color: theme.text, width: width - 60, overflow: 'truncate' } })),
    ],
    grid: shown.map((_, i) => ({ left: 50, right: 20, top: top(i) + 18, height: 30 })),
    xAxis: shown.map((t, i) => valueAxis(theme, {
      gridIndex: i, ...span(t), axisLabel: { color: theme.faint, hideOverlap: true, showMinLabel: false, showMaxLabel: false, formatter: (v: number) => num(v) },
      name: i === shown.length - 1 ? 'strongest evidence of an edge; of earlier detectors the gain in BIC' : '', nameLocation: 'middle', nameGap: 22, nameTextStyle: { color: theme.faint },
    })),
    yAxis: shown.map((_, i) => ({ type: 'value', gridIndex: i, min: -1, max: 1, show: false })),
    tooltip: tooltip(theme, { formatter: (p: { seriesName: string; value: number[] }) => `${p.seriesName}: ${num(p.value[0])}` }),
    series: shown.flatMap((t, i) => [
      dots(i, 'random weights', t.statistic, { symbol: 'emptyCircle', symbolSize: 10, itemStyle: { color: theme.faint } }),
      dots(i, 'this model', [t.observed], { symbol: 'diamond', symbolSize: 16, z: 4, itemStyle: { color: theme.all, borderColor: theme.text, borderWidth: 1 } }),
    ]),
  };
}

/// "9 smooth, 1 two boundaries"
function tally(words: string[]): string {
  return unique(words).map((word) => `${words.filter((w) => w === word).length} ${word}`).join(', ') || kMissing;
}

export function addRandomTwins(record: RunRecord, body: HTMLElement): void {
  const all = record.findings.random_twins ?? [];
  body.append(h('h3', {}, 'Against networks that have learnt nothing'));
  if (all.length === 0) {
    body.append(notRun('The same tests on networks of this architecture with random weights', 'strata analyze --null-models 19'));
    return;
  }
  const shown = all.filter((t) => t.defined && t.observed !== null && finite(t.statistic).length > 0);
  if (shown.length === 0) {
    body.append(undefinedBox('Ranks among networks with random weights', unique(all.map((t) => t.note))));
    return;
  }
  addPlot(body, {
    id: 'random-twins',
    title: 'This model among networks with random weights',
    how: 'Networks of the same architecture with random weights, on the same text and through the same tests. A diamond right of every circle: jumps fit this model better than any network that has learnt nothing. A diamond among the circles: its layers look no more segmented than theirs.',
    label: shown.map((t) => `${detectionName(t)}: ${place(t)}, gain ${num(t.observed)}`).join('; '),
    height: () => 44 + shown.length * kRow,
    option: (context) => option(shown, context) as never,
    table: () => ({
      columns: ['detector', 'tokens', 'network', 'gain', 'boundaries', 'verdict', 'forced_1', 'forced_2'],
      rows: shown.flatMap((t) => [
        [t.detector, t.tokens, 'this model', t.observed, null, '', null, null] as Cell[],
        ...t.statistic.map((v, i): Cell[] => [t.detector, t.tokens, `random ${i + 1}`, v, t.selected_k[i] ?? null, t.verdict[i] ?? '', t.forced_two[i]?.[0] ?? null, t.forced_two[i]?.[1] ?? null]),
      ]),
    }),
  });
  body.append(tableBox({
    columns: ['detector', 'gain, this model', 'rank', 'p', 'what the tests say of the random ones', 'note'],
    rows: all.map((t): Cell[] => [detectionName(t), t.defined ? t.observed : null, t.defined ? `${t.rank} of ${t.statistic.length + 1}` : kMissing, t.p_value, tally(t.verdict), t.note]),
  }, 'Ranks among networks with random weights'));
  body.append(paragraph('Rank 1 is the largest gain; p is the rank over the number of networks, this one included.', 'faint'));
}
