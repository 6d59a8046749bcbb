// Numbers and tables as text.
import type { Interval, Value } from './record';

export const kMissing = '\u2013';

export function num(value: Value | undefined, digits = 3): string {
  if (value === null || value === undefined) return kMissing;
  if (value === 0) return '0';
  const size = Math.abs(value);
  if (size >= 1e6 || size < 1e-4) return value.toExponential(digits - 1).replace(/\.?0*e\+?/, 'e');
  if (Number.isInteger(value)) return String(value);
  return size >= 1000 ? value.toFixed(0) : String(Number(value.toPrecision(digits)));
}

export function count(value: number): string {
  return String(value).replace(/\B(?=(\d{3})+$)/g, ',');  // toLocaleString takes long to wake up
}

export function percent(value: Value): string {
  return value === null ? kMissing : `${(100 * value).toFixed(0)}%`;
}

export function interval(value: Interval): string {
  return value.lo === null || value.hi === null ? kMissing : `${num(value.lo)} to ${num(value.hi)}`;
}

export type Cell = string | number | null;
export interface Table { columns: string[]; rows: Cell[][] }

/// As csv_text of the program writes it: a text that a spreadsheet would take for a formula gets an apostrophe in front.
export function csv(table: Table): string {
  const cell = (value: Cell): string => {
    const formula = typeof value === 'string' && /^[=+\-@\t\r]/.test(value);
    const text = value === null ? '' : `${formula ? "'" : ''}${value}`;
    return /[",\r\n]/.test(text) ? `"${text.replace(/"/g, '""')}"` : text;
  };
  return [table.columns, ...table.rows].map((row) => row.map(cell).join(',')).join('\n') + '\n';
}
