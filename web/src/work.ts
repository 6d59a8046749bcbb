// What the page has still to do, a piece in each task, so that it answers its reader from the start: what the reader
// is near to first, then sections, then all else when the browser is idle. <html data-plots="drawn">: nothing is left.
export type Piece = () => void;

const near = new Set<Piece>();
const soon = new Set<Piece>();
const idle = new Set<Piece>();
const queues = [near, soon, idle];
let latest = 0;  // only the latest appointment is kept
let state = '';

// Safari has no requestIdleCallback.
const whenIdle: (go: () => void) => void = typeof requestIdleCallback === 'function' ? (go) => requestIdleCallback(go) : (go) => setTimeout(go, 50);

function step(): void {
  const queue = queues.find((q) => q.size > 0);
  const piece = queue?.values().next().value;
  if (queue === undefined || piece === undefined) return;
  queue.delete(piece);
  piece();
}

function arrange(): void {
  const left = queues.some((queue) => queue.size > 0);
  const now = left ? 'waiting' : 'drawn';
  if (now !== state) document.documentElement.dataset['plots'] = state = now;
  const appointment = ++latest;
  if (!left) return;
  const go = (): void => {
    if (appointment !== latest) return;
    step();
    arrange();
  };
  if (near.size + soon.size > 0) setTimeout(go, 0);
  else whenIdle(go);
}

/// Does `piece` once, however often it is asked for before it is done.
export function doLater(piece: Piece, when: 'near' | 'soon' | 'idle'): void {
  for (const queue of queues) queue.delete(piece);
  (when === 'near' ? near : when === 'soon' ? soon : idle).add(piece);
  arrange();
}

/// Lets `piece` go first if it waits.
export function hurry(piece: Piece): void {
  if (soon.has(piece) || idle.has(piece)) doLater(piece, 'near');
}

/// Does `piece` now if it waits.
export function doNow(piece: Piece): void {
  if (queues.map((queue) => queue.delete(piece)).some((waited) => waited)) piece();
  arrange();
}

/// Does everything that waits.
export function finish(): void {
  while (queues.some((queue) => queue.size > 0)) step();
  arrange();
}
