"""The trace of a caller, as it sends it."""

import pytest

from readstate.telemetry.trace_context import TraceContext

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
PARENT = f"00-{TRACE}-{SPAN}-01"


@pytest.mark.parametrize(("flags", "sampled"), [("00", False), ("01", True), ("02", False), ("03", True), ("ff", True)])
def test_one_bit_says_whether_the_caller_records_it(flags: str, sampled: bool) -> None:
    trace = TraceContext.read(f"00-{TRACE}-{SPAN}-{flags}", None)
    assert trace is not None
    assert (trace.trace_id, trace.sampled) == (TRACE, sampled)


@pytest.mark.parametrize(
    "parent",
    [
        None,
        "",
        "x",
        PARENT.upper(),
        f"{PARENT}\n",
        f"{PARENT}-more",
        f"ff{PARENT[2:]}",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        PARENT.replace("0", "\u0660"),
    ],
)
def test_what_is_not_of_the_standards_form_is_no_trace(parent: str | None) -> None:
    assert TraceContext.read(parent, "a=b") is None


def test_a_later_version_may_have_more_behind_the_flags() -> None:
    trace = TraceContext.read(f"01{PARENT[2:]}-more", None)
    assert trace is not None
    assert trace.sampled


def test_a_state_that_is_not_valid_is_left_out() -> None:
    valid, invalid = TraceContext.read(PARENT, "congo=t61"), TraceContext.read(PARENT, "x" * 513)
    assert valid is not None
    assert invalid is not None
    assert valid.metadata() == (("traceparent", PARENT), ("tracestate", "congo=t61"))
    assert invalid.metadata() == (("traceparent", PARENT),)


def test_a_trace_that_nobody_records_is_valid() -> None:
    made = TraceContext.unsampled()
    assert TraceContext.read(made.parent, None) == made
    assert not made.sampled
    assert made.trace_id != TraceContext.unsampled().trace_id
