"""What a load needs of disk, WAL and CPU: a sum of measured units (docs/sizing.md)."""

from dataclasses import dataclass
from typing import Final

GB: Final = 1e9
SECONDS_A_DAY: Final = 86_400


@dataclass(frozen=True, slots=True)
class Units:
    """What one of each costs. Measured by `make bench` (bench/results) or by `python -m bench.units`."""

    server_us_a_call: float
    """CPU of the server for a call that marks one event, in microseconds. `make bench`, the engine grpcio."""
    database_us_a_call: float
    """CPU of PostgreSQL for it, while 256 calls are in flight. Larger batches cost less."""
    wal_bytes_a_mark: float
    """This and what follows is of `bench.units`, unless something else is said."""
    bytes_a_mark: float
    """On disk, with the index. `make bench`, 10^7 marks in the order of life."""
    database_us_an_event: float
    """CPU of PostgreSQL for recording one event in a call of its own."""
    wal_bytes_an_event: float
    bytes_an_event: float
    """On disk, with its indexes: a title of 30 characters and a payload of 50 bytes."""
    bytes_a_member: float
    """The member's row and cursor, with their indexes."""


UNITS: Final = Units(
    server_us_a_call=191,
    database_us_a_call=38,
    wal_bytes_a_mark=340,
    bytes_a_mark=96.6,
    database_us_an_event=28,
    wal_bytes_an_event=534,
    bytes_an_event=316,
    bytes_a_member=317,
)
"""On two cores that the load generator used as well. Measure your own."""

BUSY: Final = 0.5
"""How busy a core may be at the peak. Above it calls wait for each other."""
FREE: Final = 0.3
"""What of a disk should be free for what vacuum has not reclaimed yet."""


@dataclass(frozen=True, slots=True)
class Load:
    """What there is to carry."""

    members: int
    """Of all organisations."""
    events_a_day: int
    """Of all organisations."""
    calls_a_second: int
    """Marks at the peak, one event each."""
    organizations: int = 1
    """Of equal size."""
    days_kept: int = 180
    read_one_by_one: float = 0.3
    """The part of a member's events that the member marks by itself. What mark-all covers takes no row."""


@dataclass(frozen=True, slots=True)
class Size:
    """What it needs."""

    events: float
    """Stored, after `days_kept`."""
    marks: float
    marks_a_day: float
    event_bytes: float
    mark_bytes: float
    member_bytes: float
    wal_bytes_a_day: float
    wal_bytes_a_second: float
    """At the peak."""
    server_cores: float
    database_cores: float

    @property
    def disk_bytes(self) -> float:
        """Without WAL and indexes that grow, with the part that is to be free."""
        return (self.event_bytes + self.mark_bytes + self.member_bytes) / (1 - FREE)


def size(load: Load, units: Units = UNITS) -> Size:
    """The sum."""
    events = load.events_a_day * load.days_kept
    # Each member sees the events of one organisation.
    marks_a_day = load.members * load.events_a_day / load.organizations * load.read_one_by_one
    marks = marks_a_day * load.days_kept
    events_a_second = load.events_a_day / SECONDS_A_DAY
    return Size(
        events=events,
        marks=marks,
        marks_a_day=marks_a_day,
        event_bytes=events * units.bytes_an_event,
        mark_bytes=marks * units.bytes_a_mark,
        member_bytes=load.members * units.bytes_a_member,
        wal_bytes_a_day=marks_a_day * units.wal_bytes_a_mark + load.events_a_day * units.wal_bytes_an_event,
        wal_bytes_a_second=(load.calls_a_second * units.wal_bytes_a_mark + events_a_second * units.wal_bytes_an_event),
        server_cores=load.calls_a_second * units.server_us_a_call / 1e6 / BUSY,
        database_cores=(
            (load.calls_a_second * units.database_us_a_call + events_a_second * units.database_us_an_event) / 1e6 / BUSY
        ),
    )


def lines(load: Load, units: Units = UNITS) -> list[str]:
    """The sum, to be read."""
    found = size(load, units)
    return [
        f"events kept      {load.events_a_day:,} a day x {load.days_kept} days = {found.events:,.0f}",
        f"marks kept       {load.members:,} members x {load.events_a_day / load.organizations:,.0f} events a day"
        f" x {load.days_kept} days x {load.read_one_by_one:g} = {found.marks:,.0f}",
        f"disk             events {_bytes(found.event_bytes)} ({units.bytes_an_event:g} bytes each)"
        f" + marks {_bytes(found.mark_bytes)} ({units.bytes_a_mark:g}) + members {_bytes(found.member_bytes)}"
        f" ({units.bytes_a_member:g}), of which {FREE:.0%} free: {_bytes(found.disk_bytes)}",
        f"WAL a day        marks {found.marks_a_day:,.0f} x {units.wal_bytes_a_mark:g} bytes + events"
        f" {load.events_a_day:,} x {units.wal_bytes_an_event:g} = {_bytes(found.wal_bytes_a_day)}",
        f"WAL at the peak  {_bytes(found.wal_bytes_a_second)} a second",
        f"CPU of servers   {load.calls_a_second:,} calls/s x {units.server_us_a_call:g} µs, cores {BUSY:.0%} busy:"
        f" {found.server_cores:.1f} cores",
        f"CPU of PostgreSQL  {load.calls_a_second:,} calls/s x {units.database_us_a_call:g} µs + events, cores"
        f" {BUSY:.0%} busy: {found.database_cores:.1f} cores",
    ]


def _bytes(number: float) -> str:
    return f"{number / GB:,.1f} GB" if number >= GB / 10 else f"{number / 1e6:,.1f} MB"
