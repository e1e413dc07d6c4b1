"""`/v1/unread`: what a member has not read, told as it changes (docs/decisions/0020-live.md)."""
