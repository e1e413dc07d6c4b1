"""Which hosts a connection URI names."""

import pytest

from readstate.store.hosts import Host, hosts_of

ALONE = (Host(),)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://",
        "postgresql:///readstate",
        "postgresql://db/readstate",
        "postgresql://user:secret@db:6432/readstate?sslmode=require",
        "postgresql://[2001:db8::1]:6432/readstate",
        "postgresql:///readstate?host=/run/postgresql&port=6432",
        "postgresql://%2Frun%2Fpostgresql/readstate",
        "postgresql://us%2Cer:p%2Cw@db/read%2Cstate",
    ],
)
def test_one_host_is_left_to_the_driver(url: str) -> None:
    assert hosts_of(url) == (ALONE, None)
    asked = url + ("&" if "?" in url else "?") + "target_session_attrs=primary"
    assert hosts_of(asked) == (ALONE, "primary")


@pytest.mark.parametrize(
    ("url", "hosts"),
    [
        ("postgresql://a,b/x", [("a", None), ("b", None)]),
        ("postgresql://a:1,b:2/x", [("a", 1), ("b", 2)]),
        ("postgresql://u:p@a:1,b/x", [("a", 1), ("b", None)]),
        ("postgresql://a,b:2,c/x?port=7", [("a", 7), ("b", 2), ("c", 7)]),
        ("postgresql://a,b/x?port=1,2", [("a", 1), ("b", 2)]),
        ("postgresql://%2Frun%2Fone,%2Frun%2Ftwo/x?port=1,2", [("/run/one", 1), ("/run/two", 2)]),
        ("postgresql:///x?host=a,b", [("a", None), ("b", None)]),
        ("postgresql:///x?host=/run/one,/run/two&port=5432", [("/run/one", 5432), ("/run/two", 5432)]),
        ("postgresql:///x?host=%2Frun%2Fone,b:2", [("/run/one", None), ("b", 2)]),
        ("postgresql:///x?host=[2001:db8::1]:1,[2001:db8::2]", [("2001:db8::1", 1), ("2001:db8::2", None)]),
        ("postgresql://a,b/x?host=c", [("a", None), ("b", None)]),
    ],
)
def test_several_hosts_are_found_in_order(url: str, hosts: list[tuple[str, int | None]]) -> None:
    assert hosts_of(url) == (tuple(Host(*host) for host in hosts), "read-write")
    assert hosts_of(f"{url}{'&' if '?' in url else '?'}target_session_attrs=any")[1] == "any"


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://a:canary,b/x",
        "postgresql://a,/x",
        "postgresql://a,,b/x",
        "postgresql://a,b/x?port=canary",
        "postgresql://a,b/x?port=1,2,3",
        "postgresql:///x?host=a,[canary",
        "postgresql:///x?host=a,2001:db8::1",
    ],
)
def test_what_names_no_host_is_refused_and_not_shown(url: str) -> None:
    with pytest.raises(ValueError, match="must be") as raised:
        hosts_of(url)
    assert "canary" not in str(raised.value)
