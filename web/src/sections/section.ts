import type { RunRecord } from '../record';

/// One part of the page. `render` fills `body`, which is already on the page.
export interface Section {
  id: string;
  title: string;
  render: (record: RunRecord, body: HTMLElement) => void;
}
