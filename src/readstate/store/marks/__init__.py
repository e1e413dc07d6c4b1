"""Read marks: which member has read which event."""
