"""What the people who run readstate see of it: logs, metrics, request ids."""
