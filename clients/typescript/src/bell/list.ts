import type { Inbox } from '../inbox/inbox.js';
import type { Notification } from '../notifications.js';
import type { SystemEvent } from '../system-events.js';
import { arrange, element, icon, say, set } from './dom.js';
import type { BellTexts } from './texts.js';

/** An entry of the list, whatever it is. */
export type Entry = SystemEvent | Notification;

/** What the entries ask for. */
export interface EntryActions {
  open(entry: Entry): void;
  toggle(entry: Entry): void;
  dismiss(entry: Notification): void;
}

const CHECK = 'M5 13l4 4L19 7';
const DOT = 'M12 9a3 3 0 1 0 0 6a3 3 0 1 0 0-6';
const CROSS = 'M6 6l12 12M18 6L6 18';

const UNITS: [Intl.RelativeTimeFormatUnit, number][] = [
  ['day', 86_400],
  ['hour', 3_600],
  ['minute', 60],
];

/** One line of the list. */
interface Row {
  line: HTMLLIElement;
  show(entry: Entry, texts: BellTexts, language: string): void;
}

/** The entries on the screen. One of them can be reached with the tabulator, the others with the arrows. */
export class EntryList {
  readonly root = element('ul', { part: 'entries', role: 'list' });
  readonly #actions: EntryActions;
  readonly #rows = new Map<string | number, Row>();
  #current: Element | null = null;

  constructor(actions: EntryActions) {
    this.#actions = actions;
    this.root.addEventListener('keydown', (event) => this.#move(event));
    this.root.addEventListener('focusin', ({ target }) => this.#reach((target as Element).closest('li')));
  }

  show(entries: readonly Entry[], texts: BellTexts, language: string): void {
    const ids = new Set<string | number>(entries.map(({ id }) => id));
    for (const id of this.#rows.keys()) if (!ids.has(id)) this.#rows.delete(id);
    const lines = entries.map((entry) => {
      const row = this.#rows.get(entry.id) ?? makeRow(this.#actions);
      this.#rows.set(entry.id, row);
      row.show(entry, texts, language);
      return row.line;
    });
    const focused = (this.root.getRootNode() as ShadowRoot).activeElement;
    const lost = focused !== null && this.root.contains(focused) && !lines.some((line) => line.contains(focused));
    const place = [...this.root.children].findIndex((line) => line.contains(focused));
    arrange(this.root, lines);
    this.#reach(lines.find((line) => line === this.#current) ?? lines[0] ?? null);
    if (lost) this.focus(Math.min(place, lines.length - 1));
  }

  /** Puts the focus on an entry. Returns false if there is none. */
  focus(index: number): boolean {
    const button = this.root.children[index]?.querySelector('button');
    button?.focus();
    return Boolean(button);
  }

  #reach(line: Element | null): void {
    this.#current = line;
    for (const other of this.root.children) {
      for (const button of other.querySelectorAll('button')) button.tabIndex = other === line ? 0 : -1;
    }
  }

  #move(event: KeyboardEvent): void {
    const lines = [...this.root.children];
    const at = lines.indexOf(this.#current!);
    const goals: Record<string, number> = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: lines.length - 1 };
    const goal = goals[event.key];
    if (goal === undefined) return;
    event.preventDefault();
    this.focus(Math.max(0, Math.min(goal, lines.length - 1)));
  }
}

/** Whether the user has not read it. */
export function isUnread(entry: Entry): boolean {
  return entry.object === 'system_event' ? !entry.read : entry.status === 'unseen' || entry.status === 'seen';
}

function makeRow(actions: EntryActions): Row {
  let shown: Entry;
  const heard = element('span', { class: 'only-heard' });
  const name = element('span', { class: 'name', part: 'entry-title' });
  const text = element('span', { class: 'text', part: 'entry-text' });
  const time = element('time', { part: 'entry-time' });
  const open = element('button', { type: 'button', class: 'entry', part: 'entry-button' }, heard, name, text, time);
  const toggle = element('button', { type: 'button', class: 'act', part: 'entry-action' });
  const dismiss = element('button', { type: 'button', class: 'act', part: 'entry-action' }, icon(CROSS));
  const line = element('li', { part: 'entry' }, open, toggle, dismiss);
  open.onclick = () => actions.open(shown);
  toggle.onclick = () => actions.toggle(shown);
  dismiss.onclick = () => shown.object === 'notification' && actions.dismiss(shown);
  const icons = { true: icon(CHECK), false: icon(DOT) };
  return {
    line,
    show(entry, texts, language) {
      shown = entry;
      const { relative, exact } = formatsOf(language);
      const unread = isUnread(entry);
      const isEvent = entry.object === 'system_event';
      const at = isEvent ? entry.occurred_at : entry.created_at;
      const title = entry.title || (isEvent ? entry.type : entry.category);
      set(line, 'data-unread', unread);
      set(line, 'part', unread ? 'entry entry-unread' : 'entry');
      say(heard, unread ? `${texts.unread}: ` : '');
      say(name, title);
      const body = isEvent ? entry.type : (entry.body ?? '');
      text.hidden = body === '';
      say(text, body);
      set(time, 'datetime', at);
      set(time, 'title', exact.format(new Date(at)));
      say(time, ago(at, relative));
      // What is read of notifications stays read.
      toggle.hidden = !unread && !isEvent;
      set(toggle, 'aria-label', `${unread ? texts.markRead : texts.markUnread}: ${title}`);
      arrange(toggle, [icons[`${unread}`]]);
      dismiss.hidden = isEvent;
      set(dismiss, 'aria-label', `${texts.dismiss}: ${title}`);
    },
  };
}

/** How a language writes times. Making these takes longer than using them. */
interface Formats {
  relative: Intl.RelativeTimeFormat;
  exact: Intl.DateTimeFormat;
}

const formats = new Map<string, Formats>();

function formatsOf(language: string): Formats {
  const known = formats.get(language) ?? {
    relative: new Intl.RelativeTimeFormat(language, { numeric: 'auto' }),
    exact: new Intl.DateTimeFormat(language, { dateStyle: 'medium', timeStyle: 'medium' }),
  };
  formats.set(language, known);
  return known;
}

function ago(time: string, format: Intl.RelativeTimeFormat): string {
  const seconds = Math.min(0, (Date.parse(time) - Date.now()) / 1_000);
  const [unit, size] = UNITS.find(([, size]) => -seconds >= size) ?? ['second', 1];
  return format.format(Math.ceil(seconds / size), unit);
}

/** What an entry of an inbox does when it is used. */
export function actionsOf(inbox: () => Inbox | null, opened: (entry: Entry) => void, failed: () => void): EntryActions {
  const read = (entry: Entry) =>
    entry.object === 'system_event' ? inbox()?.markRead(entry.id) : inbox()?.moveNotification(entry.id, 'read');
  return {
    open(entry) {
      if (isUnread(entry)) read(entry)?.catch(failed);
      opened(entry);
    },
    toggle(entry) {
      const unmarking = entry.object === 'system_event' && entry.read;
      (unmarking ? inbox()?.markUnread(entry.id) : read(entry))?.catch(failed);
    },
    dismiss: (entry) => void inbox()?.moveNotification(entry.id, 'dismissed').catch(failed),
  };
}
