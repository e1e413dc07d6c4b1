/** The texts of a bell. Each may be replaced. */
export interface BellTexts {
  /** The name of the button, with the number of what is unread. */
  bell: (unread: number) => string;
  title: string;
  close: string;
  events: string;
  notifications: string;
  unreadOnly: string;
  markAllRead: string;
  markRead: string;
  markUnread: string;
  dismiss: string;
  /** The pill over the list, and what a screen reader says of new entries. */
  newOnes: (count: number) => string;
  marked: (count: number) => string;
  undo: string;
  loading: string;
  empty: string;
  nothingUnread: string;
  failed: string;
  retry: string;
  offline: string;
  /** Before the title of an entry that is unread, for screen readers. */
  unread: string;
}

const ENGLISH: BellTexts = {
  bell: (unread) => (unread === 0 ? 'Notifications, nothing unread' : `Notifications, ${unread} unread`),
  title: 'Notifications',
  close: 'Close',
  events: 'Events',
  notifications: 'Messages',
  unreadOnly: 'Unread only',
  markAllRead: 'Mark all as read',
  markRead: 'Mark as read',
  markUnread: 'Mark as unread',
  dismiss: 'Dismiss',
  newOnes: (count) => `${count} new`,
  marked: (count) => `${count} marked as read`,
  undo: 'Undo',
  loading: 'Loading …',
  empty: 'Nothing has happened yet',
  nothingUnread: 'You have read everything',
  failed: 'That did not work',
  retry: 'Try again',
  offline: 'No connection. The numbers may be old.',
  unread: 'Unread',
};

const GERMAN: BellTexts = {
  bell: (unread) => (unread === 0 ? 'Mitteilungen, nichts ungelesen' : `Mitteilungen, ${unread} ungelesen`),
  title: 'Mitteilungen',
  close: 'Schließen',
  events: 'Ereignisse',
  notifications: 'Nachrichten',
  unreadOnly: 'Nur Ungelesenes',
  markAllRead: 'Alle als gelesen markieren',
  markRead: 'Als gelesen markieren',
  markUnread: 'Als ungelesen markieren',
  dismiss: 'Entfernen',
  newOnes: (count) => `${count} neu`,
  marked: (count) => `${count} als gelesen markiert`,
  undo: 'Rückgängig',
  loading: 'Wird geladen …',
  empty: 'Noch ist nichts geschehen',
  nothingUnread: 'Alles ist gelesen',
  failed: 'Das hat nicht geklappt',
  retry: 'Noch einmal versuchen',
  offline: 'Keine Verbindung. Die Zahlen können veraltet sein.',
  unread: 'Ungelesen',
};

/** Returns the texts for a language: German for `de` and its regions, else English. */
export function textsFor(language: string): BellTexts {
  return /^de\b/i.test(language) ? GERMAN : ENGLISH;
}
