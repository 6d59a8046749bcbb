// Each model beside the others of its family: does it differ?
import { details, h, paragraph, tableBox } from '../dom';
import { interval, kMissing, num } from '../format';
import type { Cell } from '../format';
import type { Interval, Value } from '../record';
import type { Section } from '../sections/section';
import { exp, mainMembers } from './record';
import type { Member, StudyRecord } from './record';

interface Figure { name: string; of: (m: Member) => { value: Value; range: Interval } }

const kNone: Interval = { lo: null, hi: null };

function boundary(i: number): Figure {
  return { name: i === 0 ? 'first boundary' : 'second boundary', of: (m) => ({ value: m.boundaries[i]?.depth ?? null, range: m.boundaries[i]?.depth_interval_90 ?? kNone }) };
}

function segment(name: string): Figure {
  return {
    name: `kappa of ${name}`,
    of: (m) => {
      const own = m.segments.find((s) => s.segment.name === name);
      const { lo, hi } = own?.ln_kappa_interval_90 ?? kNone;
      return { value: exp(own?.ln_kappa ?? null), range: { lo: exp(lo), hi: exp(hi) } };
    },
  };
}

const kFigures = [boundary(0), boundary(1), segment('Local'), segment('Intermediate'), segment('Global')];
const kOthers = 2;  // fewer span no range

export interface Compared { model: string; family: string; judged: boolean; differs: string[]; readings: Map<string, string>; rows: Cell[][] }

function compare(m: Member, others: Member[]): Compared {
  const out: Compared = { model: m.model, family: m.family, judged: false, differs: [], readings: new Map(), rows: [] };
  for (const figure of kFigures) {
    const { value, range } = figure.of(m);
    const known = others.map((o) => figure.of(o).value).filter((v): v is number => v !== null);
    if (value === null) continue;
    const low = Math.min(...known);
    const high = Math.max(...known);
    // Without an interval of its own a model is never said to differ.
    const outside = range.lo !== null && range.hi !== null && (range.lo > high || range.hi < low);
    const judged = known.length >= kOthers;
    out.judged ||= judged;
    if (judged && outside) out.differs.push(figure.name);
    const reading = !judged ? 'too few models' : outside ? (value > high ? 'above' : 'below') : 'within';
    out.readings.set(figure.name, reading);
    out.rows.push([m.model, m.family, figure.name, value, interval(range), judged ? `${num(low)} to ${num(high)}` : kMissing, known.length, reading]);
  }
  return out;
}

/// Models on the main text against the others of their family.
export function compareAll(record: StudyRecord): Compared[] {
  const all = mainMembers(record);
  return all.map((m) => compare(m, all.filter((o) => o !== m && o.family === m.family)));
}

export const beside: Section<StudyRecord> = {
  id: 'beside',
  title: 'Does a model differ from its family?',
  render(record, body) {
    const compared = compareAll(record);
    body.append(paragraph('A model is said to differ where its whole 90% interval lies outside the range of the other models of its family (at least two). Boundaries are compared in relative depth. The more models, the wider the range; with few models nothing rare can be seen.', 'faint'));
    const unlike = compared.filter((c) => c.differs.length > 0);
    body.append(h('ul', {}, ...unlike.map((c) => h('li', {}, h('strong', {}, c.model), ` (${c.family}): ${c.differs.join(', ')}`))));
    if (unlike.length === 0) body.append(paragraph(compared.some((c) => c.judged) ? 'No model differs from its family by this rule.' : 'No family has three models on the main text: this cannot be judged.'));
    if (!compared.some((c) => c.rows.length > 0)) return;
    body.append(tableBox({
      columns: ['model', 'family', ...kFigures.map((f) => f.name)],
      rows: compared.map((c): Cell[] => [c.model, c.family, ...kFigures.map((f) => c.readings.get(f.name) ?? kMissing)]),
    }, 'Models beside their family'), details('The numbers', (box) => box.append(tableBox({
      columns: ['model', 'family', 'quantity', 'value', '90% interval', 'range of the others', 'others', 'reading'],
      rows: compared.flatMap((c) => c.rows),
    }, 'Models beside their family, numbers'))));
  },
};
