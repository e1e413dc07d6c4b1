"""Read cursors: what a member has read in an organisation, as a count, a version and ranges of positions.

A member has read the positions in the cursor's `all_read` and those of their rows in `read_mark`. It always holds:

- R1: no row lies in its member's `all_read`.
- R2: `read_count` = positions in `all_read` + rows.
  Both are said of the rows above the cursor's `pruned_seq`. One at or below it counts for nothing: the command `prune`
  leaves such rows for a short time, and deletes them page by page (`store/retention/pages.py`).
- R3: unread = the stream's `last_seq` - `read_count`, where the cursor's `pruned_seq` is the stream's. A cursor that is
  behind is settled before it answers or before its ranges change. Without a cursor: `last_seq` - `pruned_seq`.
- R4: every change of `all_read` or of rows raises `version`.
- No event lies at or below its stream's `pruned_seq`.

The cursor is the lock: whoever changes a member's rows or ranges holds it, and locks several in the order of their key.
A statement's snapshot is older than a lock that it waits for. So whoever needs rows as of the lock takes it in one
statement and works in the next; or compares the locked version with the snapshot's, and lets go where they differ.
"""
