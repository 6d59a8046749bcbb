import { list, paragraph } from '../dom';
import { num, percent } from '../format';
import { measureOf, sensitivities } from '../measure';
import type { RunRecord } from '../record';
import { deciding, detectionName, headline } from '../record';
import type { Section } from './section';

/// A reason to doubt the headline, read from the record; nothing when it does not apply.
type Doubt = (record: RunRecord) => string[];

const forced: Doubt = ({ findings }) => (findings.segments_forced
  ? ['The tests do not select two boundaries: the segments are a forced split, and every number by segment rests on it.'] : []);

const undefinedHeadline: Doubt = (record) => (headline(record) === undefined
  ? ['There is no headline: the primary detector is undefined on ordinary tokens. More or longer documents may define it.'] : []);

const disagreement: Doubt = (record) => {
  const first = headline(record);
  if (first === undefined) return [];
  return deciding(record).filter((d) => d !== first && d.defined && d.selected_k !== first.selected_k)
    .map((d) => `${detectionName(d)} selects ${d.selected_k} ${d.selected_k === 1 ? 'boundary' : 'boundaries'}, the headline ${first.selected_k}.`);
};

const moved: Doubt = (record) => {
  const first = headline(record);
  if (first === undefined) return [];
  return deciding(record)
    .filter((d) => d !== first && d.defined && d.boundaries.length === first.boundaries.length)
    .flatMap((d) => d.boundaries.flatMap((b, i) => {
      const mine = first.boundaries[i];
      if (mine === undefined || mine.interval_90.lo === null || mine.interval_90.hi === null) return [];
      const outside = b.edge < mine.interval_90.lo || b.edge > mine.interval_90.hi;
      return outside ? [`${detectionName(d)} puts boundary ${i + 1} at edge ${b.edge}, outside the headline\u2019s 90% interval (${num(mine.interval_90.lo)} to ${num(mine.interval_90.hi)}).`] : [];
    }));
};

const closeTest: Doubt = (record) => (headline(record)?.tests ?? [])
  .filter((t) => t.p_value !== null && t.p_value > 0.01 && t.p_value < 0.1)
  .map((t) => `The test of more than ${t.k_null} boundaries is close to 5%: p = ${num(t.p_value)} (Monte Carlo error ${num(t.p_mc_error)}). Another text could turn it.`);

const sinkEdges: Doubt = ({ findings }) => (findings.edge_changes ?? []).filter((c) => c.with_sinks === 'no')
  .map((c) => `The boundary at edge ${c.edge} is not found when sink tokens are counted.`);

const passing: Doubt = ({ findings }) => (findings.edge_changes ?? []).filter((c) => !c.forced && !c.lasting)
  .map((c) => `At edge ${c.edge} the signals come back: one odd block rather than a lasting change.`);

const lowShare: Doubt = (record) => (headline(record)?.boundaries ?? [])
  .filter((b) => b.modal_share !== null && b.modal_share < 0.5)
  .map((b) => `The boundary at edge ${b.edge} is there in only ${percent(b.modal_share)} of the resamples: read its interval, not its position.`);

const unstableK: Doubt = (record) => {
  const first = headline(record);
  const share = first?.k_stability[first.selected_k];
  return first !== undefined && share !== null && share !== undefined && share < 0.5
    ? [`Only ${percent(share)} of half-samples prefer ${first.selected_k} boundaries by BIC.`] : [];
};

const fewDocuments: Doubt = ({ documents }) => (documents.length < 8
  ? [`${documents.length} documents: with fewer than 8 the intervals and standard errors are themselves uncertain.`] : []);

const fewLanes: Doubt = ({ documents, curves }) => {
  const lanes = documents.filter((d) => d.lane_tokens > 0).length;
  return curves.length > 0 && lanes < 8 ? [`Brittleness rests on ${lanes} documents.`] : [];
};

const missingKappa: Doubt = (record) => {
  const all = sensitivities(record);
  const gone = all.filter((k) => k.kappa === null).length;
  return gone > 0 ? [`${measureOf(record).sensitivity} is undefined at ${gone} of ${all.length} states: segment means leave them out.`] : [];
};

const oneText: Doubt = () => ['One model on one text: another corpus, or another checkpoint of the family, is the test that this page cannot make.'];

const kDoubts: Doubt[] = [undefinedHeadline, forced, disagreement, moved, closeTest, sinkEdges, passing, lowShare, unstableK, fewDocuments, fewLanes, missingKappa, oneText];

export const change: Section = {
  id: 'change',
  title: 'What would change this conclusion',
  render(record, body) {
    body.append(paragraph('Read from the record by fixed rules:'), list(kDoubts.flatMap((doubt) => doubt(record))));
  },
};
