/** The inbox and the bell in React 18 or newer. @packageDocumentation */

import { createElement, type HTMLAttributes, type ReactElement, useEffect, useRef, useSyncExternalStore } from 'react';

import type { BellSelectEvent, BellTexts, ReadstateBell } from './bell.js';
import './bell.js';
import type { Inbox } from './inbox/inbox.js';
import type { InboxSnapshot } from './inbox/snapshot.js';

/** Returns what an inbox shows. It is connected while a component uses it. */
export function useInbox(inbox: Inbox): InboxSnapshot {
  return useSyncExternalStore(inbox.subscribe, inbox.getSnapshot, inbox.getSnapshot);
}

/** The properties of a bell. All others go to the element. */
export interface BellProps extends Omit<HTMLAttributes<HTMLElement>, 'onSelect'> {
  inbox: Inbox;
  texts?: Partial<BellTexts>;
  theme?: 'light' | 'dark';
  /** The user has opened an entry. */
  onSelect?: (entry: BellSelectEvent['detail']) => void;
}

/** `<readstate-bell>`. React 18 sets no properties of elements, so this does. */
export function Bell({ inbox, texts, onSelect, ...rest }: BellProps): ReactElement {
  const bell = useRef<ReadstateBell>(null);
  useEffect(() => {
    bell.current!.inbox = inbox;
  }, [inbox]);
  useEffect(() => {
    bell.current!.texts = texts ?? {};
  }, [texts]);
  useEffect(() => {
    const element = bell.current!;
    const select = (event: Event) => onSelect?.((event as BellSelectEvent).detail);
    element.addEventListener('readstate-select', select);
    return () => element.removeEventListener('readstate-select', select);
  }, [onSelect]);
  return createElement('readstate-bell', { ref: bell, ...rest });
}
