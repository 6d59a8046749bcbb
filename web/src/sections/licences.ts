import { details, h, paragraph } from '../dom';
import { kLicences } from '../licences';
import type { Section } from './section';

export const licences: Section<unknown> = {
  id: 'licences',
  title: 'Licences',
  render(_record, body) {
    body.append(paragraph(`This page embeds ${kLicences.map((l) => l.name).join(', ')}.`));
    for (const licence of kLicences) body.append(details(licence.name, (box) => box.append(h('pre', { tabindex: '0' }, licence.text))));
  },
};
