"""PostgreSQL: the only room that knows SQL and the driver. No driver exception leaves it.

Rules for every statement (docs/decisions/0003-schema.md):
- The organisation is in every predicate on events and marks.
- There is no session state, and no `now()` in an upsert's SET.
- Rows that several calls may touch are locked in one order.
- A row is named by its key, or by `(tableoid, ctid)`. `ctid` alone names a row in each partition of a table: where 2
  marks were to go, it took 28, of which 26 were other organisations'.
"""
