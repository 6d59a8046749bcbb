import type { RunRecord } from '../record';

/// One part of a page. `render` fills `body`, which is already on the page.
export interface Section<R = RunRecord> {
  id: string;
  title: string;
  render: (record: R, body: HTMLElement) => void;
}
