import type { Inbox, InboxList } from '../inbox/inbox.js';
import type { InboxSnapshot } from '../inbox/snapshot.js';
import { element, icon, say, set } from './dom.js';
import { actionsOf, type Entry, EntryList } from './list.js';
import { STYLE } from './style.js';
import { type BellTexts, textsFor } from './texts.js';

const BELL = 'M6 9a6 6 0 0 1 12 0c0 6 2.5 7 2.5 7h-17S6 15 6 9M10 20a2.2 2.2 0 0 0 4 0';
const CROSS = 'M6 6l12 12M18 6L6 18';
const LISTS: readonly InboxList[] = ['events', 'notifications'];
/** A larger number is shown as `99+`. */
const LARGEST_SHOWN = 99;
/** Pixels: the space over the panel, and as much below it. */
const MARGIN = 16;

// On a server there are no elements. The module can be loaded there nevertheless.
const Base = (globalThis.HTMLElement ?? class {}) as typeof HTMLElement;

let sheet: CSSStyleSheet | null = null;

/** The event `readstate-select`: the user has opened an entry. */
export type BellSelectEvent = CustomEvent<Entry>;

/**
 * A bell with the number of what is unread, and a panel with the lists of an inbox.
 *
 * @example
 * ```ts
 * document.querySelector('readstate-bell').inbox = createInbox(client);
 * ```
 */
export class ReadstateBell extends Base {
  #inbox: Inbox | null = null;
  #unsubscribe: (() => void) | null = null;
  #texts: Partial<BellTexts> = {};
  #list: InboxList = 'events';
  #isEndShown = false;
  #announced: number | null = null;
  #parts: Parts | null = null;

  /** The inbox to show. It is connected while the bell is on the page. */
  get inbox(): Inbox | null {
    return this.#inbox;
  }

  set inbox(inbox: Inbox | null) {
    if (inbox === this.#inbox) return;
    this.#disconnect();
    this.#inbox = inbox;
    this.#announced = null;
    if (this.isConnected) this.#connect();
  }

  /** Texts that replace those of the language. The language is that of the page, or of an element around the bell. */
  get texts(): Partial<BellTexts> {
    return this.#texts;
  }

  set texts(texts: Partial<BellTexts>) {
    this.#texts = texts;
    this.#render();
  }

  connectedCallback(): void {
    // A framework may have set the property before the element was defined.
    for (const name of ['inbox', 'texts'] as const) this.#upgrade(name);
    this.#parts ??= this.#build();
    document.addEventListener('pointerdown', this.#onOutside);
    this.#connect();
    this.#render();
  }

  disconnectedCallback(): void {
    document.removeEventListener('pointerdown', this.#onOutside);
    this.#disconnect();
  }

  /** Whether the panel is open. */
  get open(): boolean {
    return this.#parts !== null && !this.#parts.panel.hidden;
  }

  set open(open: boolean) {
    if (!this.#parts || open === this.open) return;
    const hadFocus = this.shadowRoot!.activeElement !== null;
    this.#parts.panel.hidden = !open;
    if (open) {
      this.#place(this.#parts.panel);
      void this.#load();
      this.#parts.panel.focus();
    } else if (hadFocus) {
      this.#parts.bell.focus();
    }
    this.#render();
  }

  /** Makes the panel fit below the bell, and go to the side where there is room. */
  #place(panel: HTMLElement): void {
    // A policy that forbids inline styles allows this.
    panel.style.setProperty('--_space', `${innerHeight - this.getBoundingClientRect().bottom - MARGIN}px`);
    set(panel, 'data-align', false);
    const { left, right } = panel.getBoundingClientRect();
    if (left < 0 || right > innerWidth) set(panel, 'data-align', 'start');
  }

  #upgrade(name: 'inbox' | 'texts'): void {
    if (!Object.hasOwn(this, name)) return;
    const value = this[name];
    delete (this as Record<string, unknown>)[name];
    (this as Record<string, unknown>)[name] = value;
  }

  #connect(): void {
    this.#unsubscribe ??= this.#inbox?.subscribe(() => this.#render()) ?? null;
    if (this.open) void this.#load();
    this.#render();
  }

  #disconnect(): void {
    this.#unsubscribe?.();
    this.#unsubscribe = null;
  }

  async #load(): Promise<void> {
    const list = this.#list;
    await this.#inbox?.load(list);
    // What is on the screen has been seen.
    if (list === 'notifications' && this.open && this.#inbox?.getSnapshot().unread?.notifications?.unseen) {
      await this.#inbox.moveAllNotifications('seen').catch(ignore);
    }
  }

  // ── Parts ──────────────────────────────────────────────────────────────────────────────────────────────────────────

  #build(): Parts {
    const root = this.attachShadow({ mode: 'open' });
    if (!sheet) (sheet = new CSSStyleSheet()).replaceSync(STYLE);
    root.adoptedStyleSheets = [sheet];
    const entries = new EntryList(
      actionsOf(
        () => this.#inbox,
        (detail) => this.dispatchEvent(new CustomEvent('readstate-select', { detail, bubbles: true, composed: true })),
        ignore,
      ),
    );
    const parts = makeParts(entries);
    root.append(parts.bell, parts.status, parts.panel);
    parts.bell.onclick = () => (this.open = !this.open);
    parts.close.onclick = () => (this.open = false);
    parts.unreadOnly.onclick = () => void this.#inbox?.setUnreadOnly(!this.#inbox.getSnapshot().unreadOnly);
    parts.markAll.onclick = () => this.#markAll();
    parts.undo.onclick = () => {
      parts.panel.focus();
      this.#inbox?.undo().catch(ignore);
    };
    parts.pill.onclick = () => void this.#showNew();
    parts.retry.onclick = () => void this.#retry();
    for (const list of LISTS) parts.tabs[list].onclick = () => this.#choose(list);
    parts.tablist.onkeydown = (event) => this.#onTabKey(event);
    parts.panel.onkeydown = (event) => {
      if (event.key !== 'Escape') return;
      event.stopPropagation();
      this.open = false;
    };
    new IntersectionObserver(
      ([change]) => {
        this.#isEndShown = change!.isIntersecting;
        this.#loadMore();
      },
      { root: parts.list, rootMargin: '200px' },
    ).observe(parts.end);
    return parts;
  }

  readonly #onOutside = (event: Event): void => {
    if (this.open && !event.composedPath().includes(this)) this.open = false;
  };

  // ── What the user does ─────────────────────────────────────────────────────────────────────────────────────────────

  #choose(list: InboxList): void {
    if (list === this.#list) return;
    this.#list = list;
    this.#parts!.list.scrollTop = 0;
    void this.#load();
    this.#render();
  }

  #onTabKey(event: KeyboardEvent): void {
    if (!['ArrowLeft', 'ArrowRight', 'Home', 'End'].includes(event.key)) return;
    event.preventDefault();
    // With two tabs the next one is the other one, in every direction.
    const ends: Record<string, InboxList> = { Home: 'events', End: 'notifications' };
    this.#choose(ends[event.key] ?? (this.#list === 'events' ? 'notifications' : 'events'));
    this.#parts!.tabs[this.#list].focus();
  }

  #markAll(): void {
    if (!this.#inbox || this.#unreadOf(this.#inbox.getSnapshot(), this.#list) === 0) return;
    const marking = this.#list === 'events' ? this.#inbox.markAllRead() : this.#inbox.moveAllNotifications('read');
    marking.catch(ignore);
  }

  async #showNew(): Promise<void> {
    await this.#load();
    this.#parts!.list.scrollTop = 0;
    if (!this.#parts!.entries.focus(0)) this.#parts!.panel.focus();
  }

  async #retry(): Promise<void> {
    this.#parts!.panel.focus();
    const { isLoaded, hasMore } = this.#inbox!.getSnapshot()[this.#list];
    await (isLoaded && hasMore ? this.#inbox!.loadMore(this.#list) : this.#load());
  }

  #loadMore(): void {
    const list = this.#inbox?.getSnapshot()[this.#list];
    if (this.open && this.#isEndShown && list?.hasMore && !list.isLoading && !list.error) {
      void this.#inbox!.loadMore(this.#list);
    }
  }

  // ── What is shown ──────────────────────────────────────────────────────────────────────────────────────────────────

  #unreadOf({ unread }: InboxSnapshot, list: InboxList): number {
    return (list === 'events' ? unread?.unread_count : unread?.notifications?.unread) ?? 0;
  }

  #render(): void {
    const parts = this.#parts;
    const snapshot = this.#inbox?.getSnapshot();
    if (!parts || !snapshot) return;
    const language = this.closest('[lang]')?.getAttribute('lang') || navigator.language;
    const texts: BellTexts = { ...textsFor(language), ...this.#texts };
    const unread = LISTS.reduce((sum, list) => sum + this.#unreadOf(snapshot, list), 0);
    const number = new Intl.NumberFormat(language);
    const short = unread > LARGEST_SHOWN ? `${number.format(LARGEST_SHOWN)}+` : number.format(unread);
    set(parts.bell, 'aria-label', texts.bell(unread));
    set(parts.bell, 'aria-expanded', String(this.open));
    parts.badge.hidden = unread === 0;
    say(parts.badge, short);
    this.#announce(unread, texts);
    if (!this.open) return;
    this.#renderPanel(parts, snapshot, texts);
    parts.entries.show(snapshot[this.#list].items, texts, language);
    for (const list of LISTS) {
      say(parts.tabs[list], `${texts[list]} (${number.format(this.#unreadOf(snapshot, list))})`);
    }
    // After a page that does not fill the panel, its end is still on the screen.
    queueMicrotask(() => this.#loadMore());
  }

  #renderPanel(parts: Parts, snapshot: InboxSnapshot, texts: BellTexts): void {
    const { items, isLoaded, isLoading, hasMore, newCount, error } = snapshot[this.#list];
    const isEvents = this.#list === 'events';
    say(parts.title, texts.title);
    set(parts.close, 'aria-label', texts.close);
    parts.tablist.hidden = !snapshot.unread?.notifications;
    for (const list of LISTS) {
      set(parts.tabs[list], 'aria-selected', String(list === this.#list));
      parts.tabs[list].tabIndex = list === this.#list ? 0 : -1;
    }
    set(parts.list, 'aria-labelledby', `tab-${this.#list}`);
    set(parts.list, 'aria-busy', String(isLoading));
    say(parts.unreadOnly, texts.unreadOnly);
    set(parts.unreadOnly, 'aria-pressed', String(snapshot.unreadOnly));
    say(parts.markAll, texts.markAllRead);
    set(parts.markAll, 'aria-disabled', String(this.#unreadOf(snapshot, this.#list) === 0));
    parts.undoBar.hidden = !isEvents || snapshot.undoCount === null;
    say(parts.marked, texts.marked(snapshot.undoCount ?? 0));
    say(parts.undo, texts.undo);
    const isOffline = snapshot.status === 'offline';
    parts.notice.hidden = !isOffline && !snapshot.error;
    say(parts.notice, isOffline ? texts.offline : texts.failed);
    parts.pill.hidden = newCount === 0;
    say(parts.pill, texts.newOnes(newCount));
    parts.failure.hidden = !error || isLoading;
    say(parts.failed, texts.failed);
    say(parts.retry, texts.retry);
    const isWaiting = !isLoaded || hasMore;
    parts.hint.hidden = Boolean(error) || (items.length > 0 && !(hasMore && this.#isEndShown));
    say(parts.hint, isWaiting ? texts.loading : snapshot.unreadOnly ? texts.nothingUnread : texts.empty);
  }

  /** Tells a screen reader of what is new, and not of what the user marks. */
  #announce(unread: number, texts: BellTexts): void {
    if (!this.#inbox?.getSnapshot().unread) return;
    if (this.#announced !== null && unread > this.#announced) {
      say(this.#parts!.status, texts.newOnes(unread - this.#announced));
    }
    this.#announced = unread;
  }
}

type Parts = ReturnType<typeof makeParts>;

function makeParts(entries: EntryList) {
  const button = (part: string, attributes: Record<string, string> = {}) =>
    element('button', { type: 'button', part, class: part, ...attributes });
  const badge = element('span', { class: 'badge', part: 'badge', 'aria-hidden': 'true' });
  const bell = button('bell', { 'aria-haspopup': 'dialog', 'aria-controls': 'panel', 'aria-expanded': 'false' });
  bell.append(icon(BELL), badge);
  const status = element('span', { class: 'only-heard', role: 'status' });
  const title = element('span', { class: 'title', id: 'title', part: 'title' });
  const close = button('close');
  close.append(icon(CROSS));
  const header = element('div', { class: 'row header', part: 'header' }, title, close);
  const tab = (list: InboxList) =>
    element('button', { type: 'button', role: 'tab', id: `tab-${list}`, part: 'tab', 'aria-controls': 'list' });
  const tabs = { events: tab('events'), notifications: tab('notifications') };
  const tablist = element('div', { class: 'row', role: 'tablist', 'aria-labelledby': 'title' }, ...Object.values(tabs));
  const [unreadOnly, markAll] = [button('filter'), button('mark-all')];
  const tools = element('div', { class: 'row tools', part: 'tools' }, unreadOnly, markAll);
  const notice = element('p', { class: 'notice', part: 'notice', role: 'alert', hidden: true });
  const marked = element('span', { role: 'status' });
  const undo = button('undo');
  const undoBar = element('div', { class: 'notice', part: 'undo-bar', hidden: true }, marked, ' ', undo);
  const pill = button('pill');
  const failed = element('span');
  const retry = button('retry');
  const failure = element('div', { class: 'hint', part: 'error', role: 'alert', hidden: true }, failed, ' ', retry);
  const hint = element('p', { class: 'hint', part: 'hint' });
  const end = element('div', { class: 'end' });
  const list = element(
    'div',
    { class: 'list', part: 'list', id: 'list', role: 'tabpanel' },
    ...[pill, entries.root, failure, hint, end],
  );
  const panel = element(
    'div',
    {
      ...{ class: 'panel', part: 'panel', id: 'panel', hidden: true },
      ...{ role: 'dialog', tabindex: '-1', 'aria-labelledby': 'title' },
    },
    ...[header, tablist, tools, notice, undoBar, list],
  );
  return {
    ...{ bell, badge, status, panel, title, close, tabs, tablist, unreadOnly, markAll, notice, undoBar, marked, undo },
    ...{ list, pill, entries, failure, failed, retry, hint, end },
  };
}

/** The snapshot of the inbox tells what has failed. */
function ignore(): void {}
