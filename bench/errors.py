"""Why the benchmark cannot go on."""


class BenchError(Exception):
    """Ends the run with one line."""
