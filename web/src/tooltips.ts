// Tooltips as DOM nodes: ECharts makes HTML of a string that a formatter returns, and such strings hold names of the
// record. Every plot's option passes through here, so no plot can forget it.
import { h } from './dom';
import { kMissing, num } from './format';

/// What ECharts tells a formatter about one point.
interface Point {
  seriesName?: string; name?: string; value?: unknown; color?: unknown; axisValueLabel?: string; encode?: { y?: number[] };
}
type Shown = string | Node;
interface Tooltip {
  trigger?: string; formatter?: (points: never) => Shown; valueFormatter?: (value: unknown) => string;
}

const kUnnamed = '\0';  // ECharts puts it into the names that it makes up

function value(point: Point): unknown {
  return Array.isArray(point.value) ? point.value[point.encode?.y?.[0] ?? point.value.length - 1] : point.value;
}

function line(point: Point, words: (value: unknown) => string): HTMLElement {
  const dot = h('span', { class: 'dot' });
  if (typeof point.color === 'string') dot.style.background = point.color;
  const name = point.seriesName ?? '';
  return h('div', { class: 'tip-line' }, dot, name.includes(kUnnamed) ? null : h('span', {}, name), h('b', {}, words(value(point))));
}

/// The points under the cursor, one line each, under the place on the axis.
function lines(points: Point[], words: (value: unknown) => string): HTMLElement {
  const box = h('div');
  let last: string | undefined;
  for (const point of points) {
    if (point.axisValueLabel !== undefined && point.axisValueLabel !== last) box.append(h('div', {}, point.axisValueLabel));
    last = point.axisValueLabel;
    box.append(line(point, words));
  }
  return box;
}

const plain = (v: unknown): string => (typeof v === 'number' ? num(v, 4) : typeof v === 'string' ? v : kMissing);

function safe(tooltip: Tooltip, inherits: boolean): Tooltip {
  const { formatter, valueFormatter } = tooltip;
  if (formatter === undefined) {
    if (inherits) return tooltip;
    return { ...tooltip, formatter: (points: Point | Point[]) => lines([points].flat(), valueFormatter ?? plain) };
  }
  return {
    ...tooltip,
    formatter: (points: never) => {
      const shown = formatter(points);
      return typeof shown === 'string' ? h('div', {}, shown) : shown;
    },
  };
}

interface Carrier { tooltip?: Tooltip; data?: unknown }

function carrier<T extends Carrier>(one: T): T {
  const data = Array.isArray(one.data)
    ? { data: one.data.map((point: unknown) => (typeof point === 'object' && point !== null && 'tooltip' in point ? carrier(point as Carrier) : point)) } : {};
  return { ...one, ...data, ...(one.tooltip === undefined ? {} : { tooltip: safe(one.tooltip, true) }) };
}

/// The option with every tooltip made of nodes.
export function nodeTooltips<O extends object>(option: O): O {
  const { tooltip, series } = option as { tooltip?: Tooltip; series?: Carrier | Carrier[] };
  return {
    ...option,
    ...(tooltip === undefined ? {} : { tooltip: safe(tooltip, false) }),
    ...(series === undefined ? {} : { series: [series].flat().map(carrier) }),
  };
}
