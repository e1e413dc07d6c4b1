/** The answer to marking system events as read or unread. */
export interface SystemEventReadStatusResponse {
  success: boolean;
}
