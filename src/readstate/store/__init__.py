"""PostgreSQL: the only room that knows SQL and the driver. No driver exception leaves it.

Rules for every statement (docs/decisions/0003-schema.md):
- The organisation is in every predicate on events and marks.
- There is no session state, and no `now()` in an upsert's SET.
- Rows that several calls may touch are locked in one order.
"""
