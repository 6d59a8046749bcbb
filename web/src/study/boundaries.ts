import { tooltip, valueAxis } from '../axes';
import { details, h, paragraph, tableBox, undefinedBox } from '../dom';
import { interval, kMissing, num } from '../format';
import type { Cell } from '../format';
import { addPlot } from '../plot';
import type { Value } from '../record';
import type { Section } from '../sections/section';
import { series } from '../theme';
import { familyKey, familyMarker, rowAxis, rowNames, spans } from './marks';
import { familiesOf, mainMembers } from './record';
import type { FamilyFigure, StudyRecord } from './record';

const kMain = 40;  // rows of a narrow page
const kRow = 24;

interface Row { name: string; bold: boolean; family: number; hollow: boolean; points: { x: number; lo: Value; hi: Value; what: string }[] }

function rowsOf(record: StudyRecord): Row[] {
  const families = familiesOf(record);
  return families.flatMap((family, f) => {
    const own = mainMembers(record).filter((m) => m.family === family && m.boundaries.length > 0);
    const rows: Row[] = own.map((m) => ({
      name: `${m.model} (${m.n_layers} blocks)`, bold: false, family: f, hollow: false,
      points: m.boundaries.map((b, i) => ({ x: b.depth, lo: b.depth_interval_90.lo, hi: b.depth_interval_90.hi, what: `${m.model}, b${i + 1}: edge ${b.edge}, depth ${num(b.depth)} (90% ${interval(b.depth_interval_90)})` })),
    }));
    const means = record.families.filter((x) => x.family === family && (x.quantity === 'b1' || x.quantity === 'b2') && x.mean !== null);
    if (means.length > 0) {
      rows.push({
        name: `${family}: mean \u00b1 SD`, bold: true, family: f, hollow: false,
        points: means.map((x) => ({ x: x.mean ?? 0, lo: x.sd === null ? null : (x.mean ?? 0) - x.sd, hi: x.sd === null ? null : (x.mean ?? 0) + x.sd, what: `${family}, ${x.quantity}: mean ${num(x.mean)}, SD ${num(x.sd)}, ${x.models} models` })),
      });
    }
    return rows;
  });
}

function depthPlot(record: StudyRecord, body: HTMLElement, rows: Row[]): void {
  const points = rows.flatMap((row, i) => row.points.map((p) => ({ ...p, row, i })));
  const families = familiesOf(record);
  addPlot(body, {
    id: 'boundaries',
    title: 'Where the boundaries are, in relative depth',
    how: 'One row for each model, coloured and marked by family: the two boundaries that the tests select as edge / L, with 90% intervals. Models in which they select another number have no row. Bold rows: mean of the family \u00b1 the standard deviation of its models.',
    label: rows.map((row) => `${row.name}: ${row.points.map((p) => num(p.x, 2)).join(' and ')}`).join('; '),
    height: (width) => 84 + (width < 620 ? kMain : kRow) * rows.length,
    option: ({ theme, width }) => ({
      title: familyKey(families, theme) as never,
      grid: { left: width < 620 ? 14 : 250, right: 18, top: 26, bottom: 44 },
      xAxis: valueAxis(theme, { min: 0, max: 1, name: 'relative depth (edge / L)', nameLocation: 'middle', nameGap: 26, nameTextStyle: { color: theme.faint } }),
      yAxis: rowAxis(rows.length) as never,
      tooltip: tooltip(theme, { formatter: (p: { data: { what: string } }) => p.data.what }),
      series: [
        spans(points.map((p) => ({ at: p.i, lo: p.lo, hi: p.hi, family: p.row.family, dashed: p.row.hollow })), 'x', theme),
        {
          type: 'scatter', z: 4, data: points.map((p) => ({
            value: [p.x, p.i], what: p.what, symbol: familyMarker(p.row.family, p.row.hollow), symbolSize: p.row.bold ? 15 : 11,
            itemStyle: { color: series(p.row.family, theme), borderColor: p.row.bold ? theme.text : series(p.row.family, theme), borderWidth: 2 },
          })),
        },
        rowNames(rows.map((row) => ({ text: row.name, bold: row.bold })), width < 620, theme, 250),
      ] as never,
    }),
    table: () => ({
      columns: ['row', 'family', 'kind', 'depth', 'lo', 'hi'],
      rows: points.map((p): Cell[] => [p.row.name, families[p.row.family] ?? '', p.row.bold ? 'family mean, SD' : 'selected, 90% interval', p.x, p.lo, p.hi]),
    }),
  });
}

/// The CV of each family's boundaries beside the paper's range.
function cvPlot(record: StudyRecord, body: HTMLElement, figures: (FamilyFigure & { cv: number })[]): void {
  const families = familiesOf(record);
  const rows = families.flatMap((family) => [
    ...record.expected.filter((e) => e.quantity === 'boundary_cv' && (e.family === family)).map((e) => ({ name: `${family}: ${e.source || 'paper'}`, family, lo: e.lo, hi: e.hi, at: null as Value, paper: true })),
    ...figures.filter((x) => x.family === family).map((x) => {
      const ratio = x.mean === null || x.mean === 0 ? null : 1 / x.mean;
      const scaled = (v: Value): Value => (v === null || ratio === null ? null : v * ratio);
      return { name: `${family}: ours, ${x.quantity} (${x.models} models)`, family, lo: scaled(x.sd_interval_90.lo), hi: scaled(x.sd_interval_90.hi), at: x.cv as Value, paper: false };
    }),
  ]);
  const max = 1.05 * Math.max(...rows.flatMap((r) => [r.lo, r.hi, r.at]).filter((v): v is number => v !== null));
  if (max === 0) {
    body.append(paragraph(`Within ${[...new Set(rows.map((r) => r.family))].join(', ')} all models have their boundaries at the same relative depth: the coefficient of variation is 0.`));
    return;
  }
  addPlot(body, {
    id: 'spread',
    title: 'How much boundaries vary within a family (CV)',
    how: 'CV: standard deviation over the mean of relative depth, over the models of a family. Thick grey bars: the range that the paper gives. Marks with whiskers: ours, with the 90% interval of the standard deviation (as if normal) over the mean.',
    label: rows.map((r) => `${r.name}: ${r.paper ? `${num(r.lo)} to ${num(r.hi)}` : num(r.at)}`).join('; '),
    height: (width) => 60 + (width < 620 ? kMain : kRow + 2) * rows.length,
    option: ({ theme, width }) => ({
      grid: { left: width < 620 ? 14 : 250, right: 18, top: 8, bottom: 44 },
      xAxis: valueAxis(theme, { min: 0, max, axisLabel: { color: theme.faint, hideOverlap: true, formatter: (v: number) => num(v) }, name: 'coefficient of variation', nameLocation: 'middle', nameGap: 26, nameTextStyle: { color: theme.faint } }),
      yAxis: rowAxis(rows.length) as never,
      tooltip: tooltip(theme, { formatter: (p: { data: { what: string } }) => p.data.what }),
      series: [
        { type: 'line', symbol: 'none', data: [], silent: true },
        ...rows.flatMap((r, i) => (r.paper && r.lo !== null && r.hi !== null
          ? [{ type: 'line', silent: true, symbol: 'rect', symbolSize: 9, data: [[r.lo, i], [r.hi, i]], lineStyle: { color: theme.grey, width: 9 }, itemStyle: { color: theme.grey } }] : [])),
        spans(rows.flatMap((r, i) => (r.paper ? [] : [{ at: i, lo: r.lo, hi: r.hi, family: families.indexOf(r.family), dashed: false }])), 'x', theme),
        {
          type: 'scatter', z: 4, data: rows.flatMap((r, i) => (r.at === null ? [] : [{
            value: [r.at, i], what: `${r.name}: CV ${num(r.at)} (90% ${interval({ lo: r.lo, hi: r.hi })})`, symbol: familyMarker(families.indexOf(r.family), false), symbolSize: 11, itemStyle: { color: series(families.indexOf(r.family), theme) },
          }])),
        },
        rowNames(rows.map((r) => ({ text: r.name })), width < 620, theme, 250),
      ] as never,
    }),
    table: () => ({ columns: ['row', 'family', 'cv', 'lo', 'hi'], rows: rows.map((r): Cell[] => [r.name, r.family, r.at, r.lo, r.hi]) }),
  });
}

function tables(record: StudyRecord, body: HTMLElement): void {
  if (record.expected.length > 0) {
    body.append(h('h3', {}, 'The paper\u2019s figures beside ours'), tableBox({
      columns: ['quantity', 'family', 'paper', 'ours', 'what ours is', 'source', 'note'],
      rows: record.expected.map((e): Cell[] => [e.quantity, e.family || 'between families', e.lo === e.hi ? num(e.lo) : `${num(e.lo)} to ${num(e.hi)}`,
        e.ours_lo === null ? kMissing : e.ours_lo === e.ours_hi ? num(e.ours_lo) : `${num(e.ours_lo)} to ${num(e.ours_hi)}`, e.ours_note, e.source, e.note]),
    }, 'Figures of the paper beside ours'));
  }
  if (record.families.length > 0) {
    const where = (x: FamilyFigure): boolean => x.quantity === 'b1' || x.quantity === 'b2';
    const figures = (own: FamilyFigure[]): HTMLElement => tableBox({
      columns: ['family', 'quantity', 'models', 'mean', 'SD', '90% interval', 'CV', 'location error', 'SD less location error', 'SD of smooth models'],
      rows: own.map((x): Cell[] => [x.family, x.quantity, x.models, x.mean, x.sd, interval(x.sd_interval_90), x.cv, x.location_error, x.sd_without_error, x.smooth_sd]),
    }, 'Figures of each family');
    body.append(h('h3', {}, 'Figures of each family'), paragraph('b1 and b2: relative depth of the two boundaries. location error: how far resampling alone moves a boundary. "SD of smooth models": the spread that the best two-boundary splits of smooth surrogates of the same models have; a family whose boundaries spread no less has not been shown to differ from it.', 'faint'), figures(record.families.filter(where)));
    const others = record.families.filter((x) => !where(x));
    if (others.length > 0) body.append(details('The same for brittleness', (box) => box.append(figures(others))));
  }
  if (record.spreads.length > 0) {
    body.append(h('h3', {}, 'Spread of one family against another'), tableBox({
      columns: ['family', 'against', 'quantity', 'ln SD ratio', '90% interval', 'p', 'labelings', 'smallest p possible', 'Brown-Forsythe F', 'its p', 'note'],
      rows: record.spreads.map((x): Cell[] => [x.family, x.against, x.quantity, x.ln_sd_ratio, interval(x.ln_sd_ratio_interval_90), x.p_value, x.labelings, x.smallest_p, x.brown_forsythe_f, x.brown_forsythe_p, x.note]),
    }, 'Spread of one family against another'));
  }
}

export const boundaries: Section<StudyRecord> = {
  id: 'boundaries',
  title: 'Boundaries',
  render(record, body) {
    const rows = rowsOf(record);
    if (rows.length === 0) {
      const notes = [...new Set(record.members.map((m) => m.note).filter((note) => note !== ''))];
      body.append(undefinedBox('Boundaries', mainMembers(record).length === 0 ? notes : ['the tests select two boundaries in no model on the main text', ...notes]));
    }
    if (rows.length > 0) depthPlot(record, body, rows);
    const figures = record.families.filter((x): x is FamilyFigure & { cv: number } => (x.quantity === 'b1' || x.quantity === 'b2') && x.cv !== null);
    if (figures.length > 0) cvPlot(record, body, figures);
    tables(record, body);
  },
};
