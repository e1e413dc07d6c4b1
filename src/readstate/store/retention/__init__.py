"""Retention: what is old goes, in short steps beside the calls (docs/decisions/0020-retention.md)."""
