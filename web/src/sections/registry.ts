// The sections of a model's page, in order. A new one is a file here and a line below.
import { count } from '../format';
import { cka } from './cka';
import { change } from './change';
import { controls } from './controls';
import { depth } from './depth';
import { detectors } from './detectors';
import { documents } from './documents';
import { dose } from './dose';
import { edges } from './edges';
import { kappa } from './kappa';
import { lens } from './lens';
import { licences } from './licences';
import { methods } from './methods';
import { rate } from './rate';
import { run } from './run';
import type { Page } from '../page';
import type { RunRecord } from '../record';
import { segments } from './segments';
import { sinks } from './sinks';
import { skip } from './skip';
import { summary, words } from './summary';
import { tests } from './tests';

export const kModelPage: Page<RunRecord> = {
  title: ({ model }) => `Layers of ${model.name}`,
  subtitle: ({ model, run: card, documents: docs, n_tokens }) =>
    `${String(model['architecture'] ?? '')}, ${model.n_layers} blocks; ${docs.length} documents, ${count(n_tokens)} tokens; strata ${String(card['tool_version'] ?? '')}`,
  notice: ({ growing }) => growing ?? '',
  sections: [
    summary, segments, edges, kappa, words, change, depth, cka, detectors, tests, dose, rate, skip, lens, controls, sinks, documents, run, methods, licences,
  ],
};
