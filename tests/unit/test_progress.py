"""How `readstate dev` tells how far the loading has come."""

import sys
from io import StringIO

import pytest

from readstate.dev import progress


class Terminal(StringIO):
    def isatty(self) -> bool:
        return True


def told(stream: StringIO, monkeypatch: pytest.MonkeyPatch, *steps: tuple[float, int]) -> list[str]:
    """The lines that come of so many of 1,000 events being loaded after so many seconds."""
    clock = [0.0]
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setattr("readstate.dev.progress.time.monotonic", lambda: clock[0])
    tell = progress.progress(1000)
    for seconds, loaded in steps:
        clock[0] = seconds
        tell(loaded)
    return stream.getvalue().replace("\r", "\n").split("\n")


def test_a_file_gets_a_line_every_two_seconds_with_an_estimate(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = told(StringIO(), monkeypatch, (1, 100), (2, 200), (3, 300), (4, 1000))
    assert lines == [
        "loading demo events: 200 of 1,000, about 8 s left",
        "loading demo events: 1,000 of 1,000",
        "",
    ]


def test_a_terminal_has_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = told(Terminal(), monkeypatch, (1, 500), (2, 1000))
    assert [line.split("]")[0] for line in lines] == ["", f"[{'#' * 15}{'-' * 15}", f"[{'#' * 30}", ""]
    assert "about 1 s left" in lines[1]
