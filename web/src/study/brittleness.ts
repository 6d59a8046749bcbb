import { tooltip, valueAxis } from '../axes';
import { paragraph, tableBox, undefinedBox } from '../dom';
import { interval, num } from '../format';
import type { Cell } from '../format';
import { wantsLog } from '../panels';
import { addPlot } from '../plot';
import type { Context } from '../plot';
import type { Interval, Value } from '../record';
import type { Section } from '../sections/section';
import { kStyles, series } from '../theme';
import { familyKey, familyMarker, rowAxis, rowNames, spans } from './marks';
import { exp, familiesOf, mainMembers } from './record';
import type { Gap, Member, MemberSegment, StudyRecord } from './record';

const kSegments = ['Local', 'Intermediate', 'Global'];

interface Measure { title: string; value: (s: MemberSegment) => Value; range: (s: MemberSegment) => Interval }

const kMeasures: Measure[] = [
  { title: 'kappa: noise relative to each token (function)', value: (s) => s.ln_kappa, range: (s) => s.ln_kappa_interval_90 },
  { title: 'under noise of one absolute size (function and scale)', value: (s) => s.ln_absolute, range: (s) => s.ln_absolute_interval_90 },
];

function logAxis({ theme }: Context, extra: object) {
  return valueAxis(theme, { type: 'log', axisLabel: { color: theme.faint, hideOverlap: true, formatter: (v: number) => num(v) }, ...extra });
}

function segmentPlot(record: StudyRecord, body: HTMLElement, members: Member[]): void {
  const families = familiesOf(record);
  const height = 260;
  // Families side by side within a segment, the models of a family beside each other.
  const points = kSegments.flatMap((name, column) => members.flatMap((m) => {
    const own = m.segments.find((s) => s.segment.name === name);
    if (own === undefined) return [];
    const peers = members.filter((o) => o.family === m.family);
    const family = families.indexOf(m.family);
    const width = 0.8 / families.length;
    const x = column - 0.4 + width * (family + (peers.indexOf(m) + 1) / (peers.length + 1));
    return [{ m, own, name, family, x }];
  }));
  const measures = kMeasures.filter((measure) => points.some((p) => measure.value(p.own) !== null));
  addPlot(body, {
    id: 'segment-brittleness',
    title: 'Brittleness by segment',
    how: 'One mark for each model, coloured and marked by family, log axis; bars are 90% intervals over documents; only models in which the tests select two boundaries have segments. First panel: noise relative to each token, which a mere change of scale leaves alone. Second: noise of one absolute size, which grows with the inverse square of the scale. Families that part only in the second panel differ in scale, not in function.',
    label: `Brittleness of ${kSegments.join(', ')} for ${members.length} models. The values are in the data table.`,
    height: () => 30 + measures.length * (height + 60),
    option: (context) => {
      const { theme, width } = context;
      const top = (i: number): number => 48 + i * (height + 60);
      return {
        title: [familyKey(families, theme), ...measures.map((measure, i) => ({ text: `${measure.title}, nats, log scale`, left: 62, top: top(i) - 22, textStyle: { fontSize: 12, fontWeight: 'bold', color: theme.text, width: width - 80, overflow: 'truncate' } }))] as never,
        grid: measures.map((_, i) => ({ left: 62, right: 14, top: top(i), height })),
        xAxis: measures.map((_, i) => valueAxis(theme, {
          gridIndex: i, min: -0.5, max: kSegments.length - 0.5, interval: 0.5, splitLine: { show: false }, axisTick: { show: false },
          axisLabel: { color: theme.text, formatter: (v: number) => (Number.isInteger(v) ? kSegments[v] ?? '' : '') },
        })) as never,
        yAxis: measures.map((_, i) => logAxis(context, { gridIndex: i, scale: true })) as never,
        tooltip: tooltip(theme, { formatter: (p: { data: { what: string } }) => p.data.what }),
        series: measures.flatMap((measure, i) => [
          spans(points.map((p) => ({ at: p.x, lo: exp(measure.range(p.own).lo), hi: exp(measure.range(p.own).hi), family: p.family, dashed: false })), 'y', theme, i),
          {
            type: 'scatter', xAxisIndex: i, yAxisIndex: i, z: 4, data: points.flatMap((p) => {
              const value = exp(measure.value(p.own));
              return value === null ? [] : [{
                value: [p.x, value], symbol: familyMarker(p.family, false), symbolSize: 11, itemStyle: { color: series(p.family, theme) },
                what: `${p.m.model}, ${p.name}: ${num(value)} nats (90% ${interval({ lo: exp(measure.range(p.own).lo), hi: exp(measure.range(p.own).hi) })})`,
              }];
            }),
          },
        ]) as never,
      };
    },
    table: () => ({
      columns: ['model', 'family', 'segment', 'begin', 'end', 'kappa', 'lo', 'hi', 'absolute', 'absolute_lo', 'absolute_hi', 'rms_eff', 'rms', 'skip_kl_nats', 'beta'],
      rows: points.map((p): Cell[] => [p.m.model, p.m.family, p.name, p.own.segment.begin, p.own.segment.end, exp(p.own.ln_kappa), exp(p.own.ln_kappa_interval_90.lo), exp(p.own.ln_kappa_interval_90.hi),
        exp(p.own.ln_absolute), exp(p.own.ln_absolute_interval_90.lo), exp(p.own.ln_absolute_interval_90.hi), exp(p.own.ln_rms_eff), exp(p.own.ln_rms), exp(p.own.ln_skip_kl), exp(p.own.ln_beta)]),
    }),
  });
}

const kParts: { name: string; of: (g: Gap) => Value; range: (g: Gap) => Interval }[] = [
  { name: 'absolute noise', of: (g) => g.ln_absolute, range: (g) => g.ln_absolute_interval_90 },
  { name: '= function (relative noise)', of: (g) => g.ln_kappa, range: (g) => g.ln_kappa_interval_90 },
  { name: 'times scale (effective rms)', of: (g) => g.scale, range: () => ({ lo: null, hi: null }) },
  { name: 'of scale: plain rms', of: (g) => g.rms_scale, range: () => ({ lo: null, hi: null }) },
  { name: 'of scale: remainder', of: (g) => g.remainder, range: () => ({ lo: null, hi: null }) },
];

function pair(g: Gap): string {
  return `${g.family} / ${g.against}`;
}

function gapPlot(body: HTMLElement, gaps: Gap[]): void {
  const pairs = [...new Set(gaps.map(pair))];
  const rows = gaps.flatMap((g) => kParts.map((part, k) => ({ g, k, value: exp(part.of(g)), lo: exp(part.range(g).lo), hi: exp(part.range(g).hi), name: k === 0 ? `${g.segment}: ${part.name}${pairs.length > 1 ? `, ${pair(g)}` : ''}` : part.name })));
  const shown = rows.filter((r) => r.value !== null);
  addPlot(body, {
    id: 'gap',
    title: `The gap ${pairs.length === 1 ? pairs[0] ?? '' : 'between families'}, split into function and scale`,
    how: 'Ratio of family geometric means, log axis; 1 means no gap. For each segment, and for all blocks (which needs no boundaries), the whole gap under absolute noise is exactly the product of a part that noise relative to each token sees too (function) and a part that is the size of the residual stream alone (scale); scale in turn is that of the plain median rms times a remainder, which sensitive tokens of another size than the others leave. Bars are 90% intervals.',
    label: shown.map((r) => `${r.name}: ratio ${num(r.value)}`).join('; '),
    height: (width) => 60 + (width < 620 ? 36 : 24) * rows.length,
    option: (context) => {
      const { theme, width } = context;
      return {
        grid: { left: width < 620 ? 14 : 250, right: 24, top: 10, bottom: 44 },
        xAxis: logAxis(context, { scale: true, name: 'ratio', nameLocation: 'middle', nameGap: 26, nameTextStyle: { color: theme.faint } }) as never,
        yAxis: rowAxis(rows.length) as never,
        tooltip: tooltip(theme, { formatter: (p: { data: { what: string } }) => p.data.what }),
        series: [
          spans(rows.map((r, i) => ({ at: i, lo: r.lo, hi: r.hi, family: r.k, dashed: false })), 'x', theme),
          {
            type: 'scatter', z: 4, data: rows.flatMap((r, i) => (r.value === null ? [] : [{ value: [r.value, i], what: `${r.name}: ${num(r.value)}${r.lo === null ? '' : ` (90% ${interval(r)})`}`, symbol: familyMarker(r.k, false), symbolSize: 11, itemStyle: { color: series(r.k, theme) } }])),
            markLine: { silent: true, symbol: 'none', data: [{ xAxis: 1 }], lineStyle: { color: theme.text, type: 'dashed' }, label: { show: false } },
          },
          rowNames(rows.map((r) => ({ text: r.name, bold: r.k === 0 })), width < 620, theme, 250),
        ] as never,
      };
    },
    table: () => ({
      columns: ['family', 'against', 'segment', 'models', 'models_against', 'function_ratio', 'lo', 'hi', 'absolute_ratio', 'absolute_lo', 'absolute_hi', 'scale_factor', 'rms_factor', 'remainder_factor', 'smallest_pair', 'largest_pair', 'reading', 'note'],
      rows: gaps.map((g): Cell[] => [g.family, g.against, g.segment, g.models, g.models_against, exp(g.ln_kappa), exp(g.ln_kappa_interval_90.lo), exp(g.ln_kappa_interval_90.hi), exp(g.ln_absolute), exp(g.ln_absolute_interval_90.lo), exp(g.ln_absolute_interval_90.hi),
        exp(g.scale), exp(g.rms_scale), exp(g.remainder), exp(g.smallest_pair), exp(g.largest_pair), g.reading, g.note]),
    }),
  });
}

const kProfiles: { name: string; of: (m: Member) => Value[] }[] = [
  { name: 'kappa, relative noise (nats)', of: (m) => m.ln_kappa },
  { name: 'absolute noise (nats per squared residual unit)', of: (m) => m.ln_absolute },
  { name: 'KL of skipping the block (nats)', of: (m) => m.ln_skip_kl },
  { name: 'beta at matched noise', of: (m) => m.ln_beta },
];

function profilePlot(record: StudyRecord, body: HTMLElement, members: Member[]): void {
  const families = familiesOf(record);
  const shown = kProfiles.filter((p) => members.some((m) => p.of(m).some((v) => v !== null)));
  const height = 190;
  const top = (i: number): number => 48 + i * (height + 54);
  const within = (m: Member): number => members.filter((o) => o.family === m.family).indexOf(m);
  addPlot(body, {
    id: 'profiles',
    title: 'Brittleness over relative depth',
    how: 'One line for each model, block / L on the x axis; colour and marker by family, line style by model. Lines of one family that lie together, apart from those of the other, are what a family signature would look like.',
    label: `Brittleness over relative depth of ${members.length} models. The values are in the data table.`,
    height: () => top(shown.length) - 20,
    option: (context) => {
      const { theme, width } = context;
      return {
        axisPointer: { link: [{ xAxisIndex: 'all' }] },
        title: [familyKey(families, theme), ...shown.map((p, i) => ({ text: p.name, left: 62, top: top(i) - 22, textStyle: { fontSize: 12, fontWeight: 'bold', color: theme.text, width: width - 80, overflow: 'truncate' } }))] as never,
        grid: shown.map((_, i) => ({ left: 62, right: 14, top: top(i), height })),
        xAxis: shown.map((_, i) => valueAxis(theme, { gridIndex: i, min: 0, max: 1, name: i === shown.length - 1 ? 'relative depth (block / L)' : '', nameLocation: 'middle', nameGap: 24, nameTextStyle: { color: theme.faint } })) as never,
        yAxis: shown.map((p, i) => (wantsLog(members.flatMap(p.of).map(exp)) ? logAxis(context, { gridIndex: i, scale: true }) : valueAxis(theme, { gridIndex: i, scale: true, axisLabel: { color: theme.faint, formatter: (v: number) => num(v) } }))) as never,
        tooltip: tooltip(theme, { formatter: (p: { seriesName: string; value: number[] }) => `${p.seriesName}: depth ${num(p.value[0])}, ${num(p.value[1], 4)}` }),
        series: shown.flatMap((p, i) => members.flatMap((m) => {
          const family = families.indexOf(m.family);
          const values = p.of(m);
          return values.length === 0 ? [] : [{
            type: 'line', name: m.model, xAxisIndex: i, yAxisIndex: i, connectNulls: false, data: values.map((v, l) => [l / m.n_layers, exp(v)]),
            symbol: familyMarker(family, within(m) % 2 === 1), symbolSize: m.n_layers > 40 ? 4 : 6, showAllSymbol: true,
            lineStyle: { color: series(family, theme), width: 1.5, type: kStyles[within(m) % kStyles.length] }, itemStyle: { color: series(family, theme) },
          }];
        })) as never,
      };
    },
    table: () => ({
      columns: ['model', 'family', 'block', 'relative_depth', 'kappa', 'absolute', 'skip_kl_nats', 'beta'],
      rows: members.flatMap((m) => Array.from({ length: m.n_layers }, (_, l): Cell[] => [m.model, m.family, l, l / m.n_layers, ...kProfiles.map((p) => exp(p.of(m)[l] ?? null))])),
    }),
  });
}

export const brittleness: Section<StudyRecord> = {
  id: 'brittleness',
  title: 'Brittleness',
  render(record, body) {
    const members = mainMembers(record);
    const segmented = members.filter((m) => m.segments.some((s) => s.ln_kappa !== null || s.ln_absolute !== null));
    if (segmented.length === 0) body.append(undefinedBox('Brittleness by segment', ['no run on the main text has it with two selected boundaries']));
    else segmentPlot(record, body, segmented);
    const gaps = record.gaps.filter((g) => g.ln_kappa !== null || g.ln_absolute !== null);
    if (gaps.length > 0) {
      gapPlot(body, gaps);
      body.append(tableBox({
        columns: ['segment', 'families', 'reading', 'smallest and largest pair of models (ratio)', 'rms alone', 'remainder', 'note'],
        rows: gaps.map((g): Cell[] => [g.segment, `${g.family} / ${g.against}`, g.reading, `${num(exp(g.smallest_pair))} to ${num(exp(g.largest_pair))}`, exp(g.rms_scale), exp(g.remainder), g.note]),
      }, 'Gaps between families'));
      body.append(paragraph('rms alone: the part of the scale that the median token\u2019s rms explains; remainder: what is left of it, the correlation of rms and gradient over tokens. Both are factors.', 'faint'));
    } else body.append(undefinedBox('The gap between families', record.gaps.map((g) => g.note).filter((note) => note !== '').concat(record.gaps.length === 0 ? ['there are no two families with segments'] : [])));
    if (members.some((m) => kProfiles.some((p) => p.of(m).some((v) => v !== null)))) profilePlot(record, body, members);
    else body.append(undefinedBox('Profiles over depth', ['no run on the main text has noise lanes']));
  },
};
