"""Which events a call marks. Every call of a measurement has ids of its own."""

from bench.plan import EVENTS, STRIDE


def scattered(n: int) -> int:
    """The event of the n-th call with one id."""
    return n * STRIDE % EVENTS + 1


def block(n: int, size: int) -> list[int]:
    """The events of the n-th call with many ids: neighbours, as somebody marks a list that they have seen."""
    return list(range(n * size + 1, (n + 1) * size + 1))
