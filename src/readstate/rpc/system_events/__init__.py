"""SystemEventService: the service, and its messages as values."""
