// Colours: the Okabe-Ito palette (jfly.uni-koeln.de/color), which stays distinct for colour-blind readers,
// and cividis (Nunez, Anderton, Renslow 2018) for ordered values.

export interface Theme {
  dark: boolean; text: string; faint: string; line: string; background: string;
  ordinary: string; all: string; grey: string; segments: string[]; shade: number;
}

const kSegments = ['#E69F00', '#56B4E9', '#009E73', '#CC79A7', '#F0E442', '#0072B2', '#D55E00'];

export const kLight: Theme = {
  dark: false, text: '#1b1b1b', faint: '#595959', line: '#c9c9c9', background: '#ffffff',
  ordinary: '#0072B2', all: '#D55E00', grey: '#a8adb3', segments: kSegments, shade: 0.16,
};
export const kDark: Theme = {
  dark: true, text: '#ececec', faint: '#b3b3b3', line: '#4a4a4a', background: '#16181c',
  ordinary: '#56B4E9', all: '#E69F00', grey: '#6d737b', segments: kSegments, shade: 0.22,
};

export const kCividis = ['#00224e', '#123570', '#3b496c', '#575d6d', '#707173', '#8a8678', '#a59c74', '#c3b369', '#e1cc55', '#fee838'];

/// Colour of x in 0..1; the ends that would vanish in the page's background are left out.
export function depthColour(x: number, theme: Theme): string {
  const from = theme.dark ? 2 : 0;
  const to = theme.dark ? 9 : 8;
  return kCividis[Math.round(from + Math.max(0, Math.min(1, x)) * (to - from))] ?? '#888888';
}

export const kMarkers = ['circle', 'triangle', 'rect', 'diamond', 'emptyCircle', 'emptyTriangle'];
export const kMarkerText = ['\u25cf', '\u25b2', '\u25a0', '\u25c6', '\u25cb', '\u25b3'];  // the same in words
export const kStyles = ['solid', 'dashed', 'dotted'] as const;

// Okabe and Ito's colours that stand out from the page.
const kSeriesLight = ['#0072B2', '#D55E00', '#007A5A', '#A0457F', '#1b1b1b', '#8a6d00'];
const kSeriesDark = ['#56B4E9', '#E69F00', '#2fc99b', '#CC79A7', '#ececec', '#F0E442'];

/// Colour of the i-th of a few lines.
export function series(i: number, theme: Theme): string {
  const colours = theme.dark ? kSeriesDark : kSeriesLight;
  return colours[i % colours.length] ?? theme.text;
}

type Choice = 'system' | 'light' | 'dark';
let choice: Choice = 'system';
let printing = false;
const listeners: (() => void)[] = [];
const system = window.matchMedia('(prefers-color-scheme: dark)');

export function theme(): Theme {
  if (printing) return kLight;
  const dark = choice === 'system' ? system.matches : choice === 'dark';
  return dark ? kDark : kLight;
}

export function onThemeChange(listener: () => void): void {
  listeners.push(listener);
}

function apply(): void {
  document.documentElement.dataset['theme'] = theme().dark ? 'dark' : 'light';
  for (const listener of listeners) listener();
}

export function toggleTheme(): void {
  choice = theme().dark ? 'light' : 'dark';
  apply();
}

export function setPrinting(now: boolean): void {
  printing = now;
  apply();
}

export function startTheme(): void {
  system.addEventListener('change', apply);
  apply();
}
