import { paragraph } from '../dom';
import { addGroup } from './depth';
import type { Section } from './section';

export const controls: Section = {
  id: 'controls',
  title: 'Controls',
  render(record, body) {
    body.append(paragraph('Scale and sink tokens change over depth by themselves; these are never used to find boundaries.'));
    addGroup(record, body, 'control', 'Controls', true);
  },
};
