"""`/v1/unread`: what a member has not read, told as it changes (docs/decisions/0023-live.md)."""
