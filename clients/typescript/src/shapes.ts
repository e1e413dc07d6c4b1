/**
 * Checks whether a body comes from readstate. A proxy, a captive portal or another server may answer 200 as well. The
 * checks look at fields that only readstate sends, and at fields that this package uses. The server may add others.
 */

import { isObject } from './json.js';
import type { MarkAllSeenResponse, Notification, NotificationList, UnreadSummary } from './notifications.js';
import type { SystemEventReadStatusResponse } from './system-events.js';

export function isReadStatus(body: unknown): body is SystemEventReadStatusResponse {
  return isObject(body) && body['success'] === true;
}

export function isNotification(body: unknown): body is Notification {
  return isObject(body) && body['object'] === 'notification' && typeof body['id'] === 'string';
}

export function isNotificationList(body: unknown): body is NotificationList {
  if (!isObject(body) || body['object'] !== 'list') return false;
  const { data, next_cursor: cursor } = body;
  // A loop over the pages needs the cursor to find its end.
  return Array.isArray(data) && data.every(isNotification) && (cursor === null || typeof cursor === 'string');
}

export function isMarkedCount(body: unknown): body is MarkAllSeenResponse {
  return isObject(body) && typeof body['changed_count'] === 'number';
}

export function isUnreadSummary(body: unknown): body is UnreadSummary {
  return isObject(body) && typeof body['unseen_count'] === 'number' && typeof body['unread_count'] === 'number';
}
