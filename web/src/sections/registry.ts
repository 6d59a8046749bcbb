// The sections of the page, in order. A new one is a file here and a line below.
import { cka } from './cka';
import { change } from './change';
import { controls } from './controls';
import { depth } from './depth';
import { detectors } from './detectors';
import { documents } from './documents';
import { dose } from './dose';
import { kappa } from './kappa';
import { licences } from './licences';
import { methods } from './methods';
import { run } from './run';
import type { Section } from './section';
import { segments } from './segments';
import { sinks } from './sinks';
import { skip } from './skip';
import { summary } from './summary';
import { tests } from './tests';

export const kSections: Section[] = [
  summary, segments, kappa, change, depth, cka, detectors, tests, dose, skip, controls, sinks, documents, run, methods, licences,
];
