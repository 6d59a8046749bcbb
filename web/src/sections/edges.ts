import type { CustomSeriesRenderItem } from 'echarts';

import { depthAxis, present, segmentAreas, tooltip, valueAxis } from '../axes';
import { details, h, list, paragraph, tableBox } from '../dom';
import { interval, kMissing, num, percent } from '../format';
import type { Cell } from '../format';
import { addPlot } from '../plot';
import type { Detection, EdgeChange, RunRecord } from '../record';
import { deciding, headline } from '../record';
import type { Theme } from '../theme';
import type { Section } from './section';

const kNotable = 3;  // layer sigmas
const kPanel = 110;
const kGap = 52;

/// The detectors of ordinary tokens that give evidence for each edge.
function sources(record: RunRecord): Detection[] {
  return deciding(record).filter((d) => d.role === 'detector' && d.tokens === 'ordinary' && (d.evidence ?? []).length > 0);
}

/// Edges at which no boundary is looked for, as ranges of x.
function outside({ first_edge = 0, last_edge = 0 }: Detection, layers: number): [number, number][] {
  return last_edge > 0 ? [[-0.5, first_edge - 1], [last_edge, layers - 0.5]] : [];
}

/// Blocks that write or remove massive activations and rogue dimensions, at the bottom of a panel.
function carriers(record: RunRecord, theme: Theme, panel: number): object[] {
  const events = record.findings.carriers ?? [];
  const who = (e: (typeof events)[number]): string => (e.first_position ? 'position 0' : e.words.join(', ') || 'a few tokens');
  const points = (kind: 'written_by' | 'removed_by', verb: string) => events.flatMap((e) =>
    e[kind].map((block) => ({ value: [block, 0], name: `block ${block} ${verb} ${e.kind === 'sink' ? 'massive activations' : 'a rogue dimension'} of ${who(e)} (dimension ${e.dimension})` })));
  return [['written_by', 'writes', 'triangle', 0], ['removed_by', 'removes', 'triangle', 180]].map(([kind, verb, symbol, turn]) => ({
    type: 'scatter', xAxisIndex: panel, yAxisIndex: panel, data: points(kind as 'written_by', verb as string), symbol, symbolRotate: turn,
    symbolSize: 11, symbolOffset: [0, 7], z: 6, clip: false, itemStyle: { color: theme.all, borderColor: theme.background, borderWidth: 1 }, tooltip: { formatter: (p: { name: string }) => p.name },
  }));
}

interface Bar { at: number; lo: number; hi: number; y: number }

/// Horizontal bars from lo to hi with caps.
function sideways(bars: Bar[], colour: string): object {
  const renderItem: CustomSeriesRenderItem = (params, api) => {
    const bar = bars[params.dataIndex];
    if (bar === undefined) return null;
    const [lo = 0, y = 0] = api.coord([bar.lo, bar.y]);
    const hi = api.coord([bar.hi, bar.y])[0] ?? lo;
    const line = (x1: number, y1: number, x2: number, y2: number) =>
      ({ type: 'line' as const, shape: { x1, y1, x2, y2 }, style: { stroke: colour, lineWidth: 2 } });
    return { type: 'group', children: [line(lo, y, hi, y), line(lo, y - 4, lo, y + 4), line(hi, y - 4, hi, y + 4)] };
  };
  return { type: 'custom', renderItem, silent: true, z: 4, data: bars.map((b) => [b.at, b.y]), encode: { x: 0, y: 1 }, tooltip: { show: false } };
}

function evidencePlot(record: RunRecord, body: HTMLElement, shown: Detection[]): void {
  const layers = record.model.n_layers;
  const selected = headline(record)?.boundaries ?? [];
  addPlot(body, {
    id: 'evidence',
    title: 'Evidence for a step at each edge',
    how: 'Bars: evidence in units of what layer noise alone reaches anywhere in the depth in 5% of surrogates, before any step is taken out; the line at 1 is the 5% of one detector, the rule asks for a little more because two are asked. Diamonds: boundaries that this detector found (with the steps found before taken out), with the 90% interval of their place. Grey: no boundary is looked for there; darker grey: start-up and read-out. Triangles: blocks that write (up) or remove (down) massive activations.',
    label: shown.map((d) => `${d.detector}: largest evidence ${num(Math.max(...(d.evidence ?? []).map((v) => v ?? 0)))}; boundaries ${d.boundaries.map((b) => b.edge).join(', ') || 'none'}`).join('. '),
    height: () => 30 + shown.length * (kPanel + kGap),
    option: ({ theme, width }) => ({
      title: shown.map((d, i) => ({ text: `${d.detector}: ${d.verdict}`, left: 50, top: i * (kPanel + kGap), textStyle: { fontSize: 12, color: theme.text, width: width - 60, overflow: 'truncate' } })),
      grid: shown.map((_, i) => ({ left: 50, right: 14, top: 26 + i * (kPanel + kGap), height: kPanel })),
      xAxis: shown.map((_, i) => depthAxis(record, theme, { gridIndex: i, max: layers - 0.5, name: i === shown.length - 1 ? 'block (edge e at e - 0.5)' : '', nameLocation: 'middle', nameGap: 24, nameTextStyle: { color: theme.faint } })),
      yAxis: shown.map((_, i) => valueAxis(theme, { gridIndex: i, min: 0, max: (v: { max: number }) => Math.max(1.2, 1.1 * v.max), splitNumber: 3, axisLabel: { color: theme.faint, formatter: (v: number) => num(v, 2) } })),
      tooltip: tooltip(theme, { formatter: (p: { value: number[] }) => `edge ${(p.value[0] ?? 0) + 0.5}: ${num(p.value[1] ?? null)}` }),
      series: shown.flatMap((d, i) => {
        const ends = outside(d, layers);
        const marked = d.boundaries.map((b) => ({ at: b.edge - 0.5, height: Math.max(b.evidence ?? 0, d.evidence?.[b.edge - 1] ?? 0), b }));
        return [
          {
            type: 'bar', xAxisIndex: i, yAxisIndex: i, barWidth: Math.max(2, Math.min(14, 400 / layers)), itemStyle: { color: theme.grey },
            data: (d.evidence ?? []).map((v, e) => ({ value: [e + 0.5, v], itemStyle: { color: selected.some((b) => b.edge === e + 1) ? theme.ordinary : theme.grey } })),
            markLine: { silent: true, symbol: 'none', data: [{ yAxis: 1 }], lineStyle: { color: theme.text, type: 'dashed', width: 1.5 }, label: { show: true, formatter: '5%', position: 'insideEndTop', color: theme.text, fontSize: 11 } },
            markArea: segmentAreas({ segments: [], start_up: record.findings.start_up, read_out: record.findings.read_out }, theme, false),
          },
          { type: 'line', xAxisIndex: i, yAxisIndex: i, data: [], silent: true, markArea: { silent: true, itemStyle: { color: theme.grey, opacity: 0.08 }, data: ends.map(([a, b]) => [{ xAxis: a }, { xAxis: b }]) } },
          { ...sideways(marked.map(({ at, height, b }) => ({ y: height, lo: (b.interval_90.lo ?? b.edge) - 0.5, hi: (b.interval_90.hi ?? b.edge) - 0.5, at })), theme.text), xAxisIndex: i, yAxisIndex: i },
          { type: 'scatter', xAxisIndex: i, yAxisIndex: i, data: marked.map(({ at, height }) => [at, height]), symbol: 'diamond', symbolSize: 12, z: 5, itemStyle: { color: theme.ordinary, borderColor: theme.text, borderWidth: 1 } },
          ...(i === shown.length - 1 ? carriers(record, theme, i) : []),
        ];
      }) as never,
    }),
    table: () => ({
      columns: ['edge', ...shown.map((d) => d.detector), 'boundary'],
      rows: Array.from({ length: layers - 1 }, (_, e): Cell[] => [e + 1, ...shown.map((d) => d.evidence?.[e] ?? null), selected.some((b) => b.edge === e + 1) ? 'yes' : '']),
    }),
  });
}

/// Signals that change at an edge, the largest step first.
function signalRows(change: EdgeChange): Cell[][] {
  return change.signals.filter((s) => Math.abs(s.step_sigmas ?? 0) >= kNotable)
    .sort((a, b) => Math.abs(b.step_sigmas ?? 0) - Math.abs(a.step_sigmas ?? 0))
    .map((s): Cell[] => [String(change.edge), s.signal, s.unit, s.before, s.after, s.step, interval(s.step_interval_90), s.step_sigmas, s.slope_before, s.slope_after]);
}

function edgeRow(record: RunRecord, change: EdgeChange): Cell[] {
  const found = headline(record);
  const estimate = [...(found?.boundaries ?? []), ...(found?.forced_two ?? [])].find((e) => e.edge === change.edge);
  const groups = change.groups.map((g) => `${g.group} ${percent(g.share)}`).join(', ') || kMissing;
  return [String(change.edge), estimate === undefined ? kMissing : interval(estimate.interval_90), num(estimate?.p_value), estimate?.found_by ?? '', groups,
    change.lasting ? 'lasting' : 'one odd block', change.with_sinks || kMissing, num(change.state_jump), num(change.state_usual)];
}

function tables(record: RunRecord, changes: EdgeChange[], box: HTMLElement, name: string): void {
  box.append(tableBox({
    columns: ['edge', '90% interval', 'p', 'found by', 'groups that carry it', 'change', 'with sink tokens', '1 - CKA across it', 'beside it'],
    rows: changes.map((c) => edgeRow(record, c)),
  }, name));
  const rows = changes.flatMap(signalRows);
  if (rows.length === 0) {
    box.append(paragraph(`No signal changes by ${kNotable} layer sigmas.`, 'faint'));
    return;
  }
  box.append(paragraph(`Signals that change by at least ${kNotable} layer sigmas. Before and after: medians of up to four blocks on each side; intervals: over half-samples of the documents; slopes: per block.`, 'faint'), tableBox({
    columns: ['edge', 'signal', 'unit', 'before', 'after', 'step', '90% interval', 'layer sigmas', 'slope before', 'slope after'], rows,
  }, `${name}: signals`));
}

export const edges: Section = {
  id: 'edges',
  title: 'What changes at each edge',
  render(record, body) {
    const changes = record.findings.edge_changes ?? [];
    const found = changes.filter((c) => !c.forced);
    const forced = changes.filter((c) => c.forced);
    if (found.length > 0) body.append(list(found.map((c) => c.sentence)));
    else body.append(paragraph('No boundary was found, so there is nothing to describe.'));
    const ends = [record.findings.start_up, record.findings.read_out].filter(present).map((e) => `${e.name} [${e.begin},${e.end})`);
    if (ends.length > 0) body.append(paragraph(`In no segment, since these blocks move the states more than all between them: ${ends.join(', ')}.`));
    const shown = sources(record);
    if (shown.length > 0) evidencePlot(record, body, shown);
    if (found.length > 0) tables(record, found, body, 'What changes at each boundary');
    const odd = record.findings.odd_blocks ?? [];
    if (odd.length > 0) body.append(h('h3', {}, 'Odd blocks'), paragraph('Their signals are off and come back; by itself that is no boundary.', 'faint'), tableBox({
      columns: ['block', 'p', 'signals'], rows: odd.map((o): Cell[] => [String(o.block), o.p_value, o.signals.join(', ') || kMissing]),
    }, 'Odd blocks'));
    if (forced.length > 0) body.append(details('Edges of the forced split, which are no boundaries', (box) => {
      box.append(list(forced.map((c) => c.sentence)));
      tables(record, forced, box, 'Forced edges');
    }));
  },
};
