// Reads the record in the page and builds the page that its kind asks for.
import { forbidHtml } from './no_html';
import { buildPage } from './page';
import type { RunRecord } from './record';
import { kModelPage } from './sections/registry';
import type { StudyRecord } from './study/record';
import { kStudyPage } from './study/registry';
import { startTheme } from './theme';
import type { TwinRecord } from './twins/record';
import { kTwinPage } from './twins/registry';

type PageRecord = ({ page: 'model' } & RunRecord) | ({ page: 'study' } & StudyRecord) | ({ page: 'twins' } & TwinRecord);

function main(): void {
  const root = document.getElementById('report');
  const element = document.getElementById('strata-record');
  if (root === null || element === null) throw new Error('the page has no place for the report, or no record');
  const record = JSON.parse(element.textContent ?? '') as PageRecord;
  forbidHtml();
  startTheme();
  switch (record.page) {
    case 'model': return buildPage(kModelPage, record, root);
    case 'study': return buildPage(kStudyPage, record, root);
    case 'twins': return buildPage(kTwinPage, record, root);
  }
}

main();
