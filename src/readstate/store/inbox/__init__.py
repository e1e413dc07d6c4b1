"""What can be read back: unread counts, lists, mark-all and its undo, and who has read an event."""
