"""PostgreSQL: the only room that knows SQL and the driver. No driver exception leaves it."""
