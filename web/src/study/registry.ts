// The sections of a study's page, in order.
import type { Page } from '../page';
import { licences } from '../sections/licences';
import { beside } from './beside';
import { boundaries } from './boundaries';
import { brittleness } from './brittleness';
import { forced } from './forced';
import type { StudyRecord } from './record';
import { card } from './study_card';
import { members, summary } from './summary';
import { variance } from './variance';
import { verdicts } from './verdicts';

export const kStudyPage: Page<StudyRecord> = {
  title: ({ study }) => study.title || `Study ${study.name}`,
  subtitle: ({ study, members: all }) => `${new Set(all.map((m) => m.model)).size} models, ${new Set(all.map((m) => m.family)).size} families, ${all.length} runs; strata ${study.tool_version}`,
  sections: [summary, boundaries, beside, brittleness, variance, verdicts, forced, members, card, licences],
};
