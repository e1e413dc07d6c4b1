/** Defines the element `<readstate-bell>`. @packageDocumentation */

import { ReadstateBell } from './bell/element.js';

export { type BellSelectEvent, ReadstateBell } from './bell/element.js';
export type { Entry } from './bell/list.js';
export type { BellTexts } from './bell/texts.js';

if (globalThis.customElements && !customElements.get('readstate-bell')) {
  customElements.define('readstate-bell', ReadstateBell);
}
