"""The process that serves: what it is built of, whether it is ready, and how it ends."""
