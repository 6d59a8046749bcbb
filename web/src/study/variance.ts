import { tooltip, valueAxis } from '../axes';
import { h, tableBox, undefinedBox } from '../dom';
import { kMissing, num } from '../format';
import type { Cell } from '../format';
import { addPlot } from '../plot';
import type { Section } from '../sections/section';
import { series } from '../theme';
import { rowAxis, rowNames } from './marks';
import type { Share, StudyRecord } from './record';

function plot(body: HTMLElement, shares: Share[]): void {
  const rows = shares.map((s, i) => ({ ...s, first: i === 0 || shares[i - 1]?.response !== s.response }));
  const name = (r: (typeof rows)[number]): string => `${r.response}: ${r.predictor}`;
  addPlot(body, {
    id: 'variance',
    title: 'What explains the spread between models',
    how: 'For each quantity and predictor the share of the variance between models (R\u00b2): filled bar, the predictor entered first; hollow bar, entered after all others that fit. Where the two differ much the predictors go together and the data cannot tell them apart. Few models make any R\u00b2 large: see the p in the table.',
    label: rows.map((r) => `${name(r)}: first ${num(r.r2_first, 2)}, last ${num(r.r2_last, 2)}`).join('; '),
    height: (width) => 60 + (width < 620 ? 38 : 26) * rows.length,
    option: ({ theme, width }) => {
      const bar = (which: 'first' | 'last') => ({
        type: 'custom', z: 3, encode: { x: 0, y: 1 },
        data: rows.map((r, i) => ({ value: [(which === 'first' ? r.r2_first : r.r2_last) ?? NaN, i], what: `${name(r)}, entered ${which}: R\u00b2 ${num(which === 'first' ? r.r2_first : r.r2_last)}, p ${num(which === 'first' ? r.p_first : r.p_last)}` })),
        renderItem: (params: { dataIndex: number }, api: { coord: (v: number[]) => number[] }) => {
          const r = rows[params.dataIndex];
          const value = which === 'first' ? r?.r2_first : r?.r2_last;
          if (value === null || value === undefined) return null;
          const [x0 = 0, y = 0] = api.coord([0, params.dataIndex]);
          const [x1 = 0] = api.coord([value, params.dataIndex]);
          return {
            type: 'rect', shape: { x: x0, y: which === 'first' ? y - 9 : y + 1, width: Math.max(1, x1 - x0), height: 8 },
            style: which === 'first' ? { fill: series(0, theme) } : { fill: theme.background, stroke: series(1, theme), lineWidth: 1.5 },
          };
        },
      });
      return {
        grid: { left: width < 620 ? 14 : 250, right: 24, top: 14, bottom: 44 },
        xAxis: valueAxis(theme, { min: 0, max: 1, name: 'share of the variance between models (R\u00b2)', nameLocation: 'middle', nameGap: 26, nameTextStyle: { color: theme.faint } }),
        yAxis: rowAxis(rows.length) as never,
        tooltip: tooltip(theme, { formatter: (p: { data: { what: string } }) => p.data.what }),
        series: [bar('first'), bar('last'), rowNames(rows.map((r) => ({ text: name(r), bold: r.first })), width < 620, theme, 250, 18)] as never,
      };
    },
    table: () => ({
      columns: ['response', 'predictor', 'r2_first', 'p_first', 'r2_last', 'p_last', 'models', 'note'],
      rows: shares.map((s): Cell[] => [s.response, s.predictor, s.r2_first, s.p_first, s.r2_last, s.p_last, s.models, s.note]),
    }),
  });
}

export const variance: Section<StudyRecord> = {
  id: 'variance',
  title: 'Family or size?',
  render(record, body) {
    const shown = record.variance.filter((s) => s.r2_first !== null || s.r2_last !== null);
    if (shown.length > 0) plot(body, shown);
    else body.append(undefinedBox('Variance decomposition', [...new Set(record.variance.map((s) => s.note).filter((note) => note !== ''))].concat(record.variance.length === 0 ? ['the record holds none'] : [])));
    if (record.dominance.length > 0) {
      body.append(h('h3', {}, 'Family dominance'), tableBox({
        columns: ['family', 'verdict', 'SD of relative depth', 'R\u00b2 of family', 'p', 'why'],
        rows: record.dominance.map((d): Cell[] => [d.family, d.verdict || kMissing, d.sd, d.r2_family, d.p_value, d.reason]),
      }, 'Family dominance'));
    }
  },
};
