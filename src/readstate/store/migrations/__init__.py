"""Plain numbered SQL files, applied in order by `readstate.store.migrate`."""
