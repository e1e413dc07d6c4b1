/**
 * Checks whether a body comes from readstate. A proxy, a captive portal or another server may answer 200 as well. The
 * checks look at fields that only readstate sends, and at fields that this package uses. The server may add others.
 */

import { isObject, type Shape } from './json.js';
import type { MarkAllSeenResponse, Notification, NotificationList, UnreadSummary } from './notifications.js';
import type {
  MarkedAll,
  MarkedEvents,
  Reader,
  ReaderList,
  SystemEvent,
  SystemEventList,
  SystemEventQueryResponse,
  SystemEventReadStatusResponse,
  UndoneMarkAll,
  UnreadCount,
} from './system-events.js';
import type { UnreadState } from './unread.js';

export function isReadStatus(body: unknown): body is SystemEventReadStatusResponse {
  return isObject(body) && body['success'] === true;
}

export function isNotification(body: unknown): body is Notification {
  return isObject(body) && body['object'] === 'notification' && typeof body['id'] === 'string';
}

export function isNotificationList(body: unknown): body is NotificationList {
  return isList(body, isNotification);
}

export function isMarkedCount(body: unknown): body is MarkAllSeenResponse {
  return isObject(body) && typeof body['changed_count'] === 'number';
}

export function isUnreadSummary(body: unknown): body is UnreadSummary {
  return isObject(body) && typeof body['unseen_count'] === 'number' && typeof body['unread_count'] === 'number';
}

export function isUnreadCount(body: unknown): body is UnreadCount {
  return isObject(body) && hasNumbers(body, 'head', 'unread_count', 'version');
}

export function isUnreadState(body: unknown): body is UnreadState {
  if (!isObject(body) || !isUnreadCount(body)) return false;
  const { notifications } = body as Record<string, unknown>;
  return !notifications || (isObject(notifications) && hasNumbers(notifications, 'unseen', 'unread', 'version'));
}

export function isSystemEventList(body: unknown): body is SystemEventList {
  return isList(body, isSystemEvent) && isUnreadCount(body);
}

export function isMarkedEvents(body: unknown): body is MarkedEvents {
  return isUnreadCount(body) && hasNumbers(body, 'changed_count', 'matched_count');
}

export function isUndoneMarkAll(body: unknown): body is UndoneMarkAll {
  return isObject(body) && hasNumbers(body, 'changed_count', 'unread_count', 'version');
}

export function isMarkedAll(body: unknown): body is MarkedAll {
  if (!isObject(body) || !isUndoneMarkAll(body)) return false;
  const { undo_token: token } = body as Record<string, unknown>;
  return token === null || typeof token === 'string';
}

export function isReaderList(body: unknown): body is ReaderList {
  return isList(body, isReader);
}

export function isEventQueryResponse(body: unknown): body is SystemEventQueryResponse {
  return isObject(body) && Array.isArray(body['events']) && hasNumbers(body, 'total', 'skip', 'take');
}

function isSystemEvent(value: unknown): value is SystemEvent {
  return isObject(value) && value['object'] === 'system_event' && hasNumbers(value, 'id', 'seq');
}

function isReader(value: unknown): value is Reader {
  return isObject(value) && value['object'] === 'reader' && typeof value['user_id'] === 'string';
}

function isList<T>(body: unknown, isEntry: Shape<T>): body is { data: T[] } {
  if (!isObject(body) || body['object'] !== 'list') return false;
  const { data, next_cursor: cursor } = body;
  // A loop over the pages needs the cursor to find its end.
  return Array.isArray(data) && data.every(isEntry) && (cursor === null || typeof cursor === 'string');
}

function hasNumbers(body: object, ...names: string[]): boolean {
  return names.every((name) => typeof (body as Record<string, unknown>)[name] === 'number');
}
