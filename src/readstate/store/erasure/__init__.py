"""Erasure: everything of a person, or of a tenant, goes for good (docs/decisions/0020-retention.md)."""
