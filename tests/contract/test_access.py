"""The tables that must be total: who may call what, and which code each error has."""

from google.protobuf.descriptor_pool import Default
from grpc import StatusCode
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2

from readstate import errors
from readstate.errors import ReadStateError
from readstate.rpc.access import ACCESS, OPEN_REFLECTION, PUBLIC, TOKEN
from readstate.rpc.status import CODES, code_of
from readstate.server import app
from tests.rpc.test_order import METHODS, Needs

ERRORS = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, ReadStateError)]


def test_every_method_of_every_service_has_a_row_and_no_row_is_of_another() -> None:
    others = (
        health_pb2.DESCRIPTOR.services_by_name["Health"],
        reflection_pb2.DESCRIPTOR.services_by_name["ServerReflection"],
    )
    services = [Default().FindServiceByName(name) for name in (*app.SERVICES, *(other.full_name for other in others))]
    methods = {f"/{service.full_name}/{method.name}" for service in services for method in service.methods}
    unknown_to_the_libraries = {
        "/grpc.health.v1.Health/List",
        "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    }
    assert set(ACCESS) == methods | unknown_to_the_libraries


def test_every_service_of_the_protos_is_served() -> None:
    package = Default().FindFileContainingSymbol("readstate.v1.SystemEventService").package
    assert all(name.startswith(f"{package}.") for name in app.SERVICES)
    assert {path.split("/")[1] for path in ACCESS if path.startswith(f"/{package}.")} == set(app.SERVICES)


def test_each_method_needs_what_the_contract_says() -> None:
    rows = {path: row for path, row in ACCESS.items() if path.startswith("/readstate.v1.")}
    needs = {
        path.removeprefix("/readstate.v1."): Needs(row.member, row.organization, row.scope or "")
        for path, row in rows.items()
    }
    assert needs == METHODS
    assert all(row.token for row in rows.values())


def test_nothing_but_health_is_public_and_reflection_needs_a_token() -> None:
    assert {path.split("/")[1] for path, row in ACCESS.items() if not row.token} == {"grpc.health.v1.Health"}
    assert {ACCESS[path] for path in OPEN_REFLECTION} == {TOKEN}
    assert set(OPEN_REFLECTION.values()) == {PUBLIC}


def test_who_must_be_in_an_organisation_must_be_a_member_and_a_member_needs_a_token() -> None:
    for row in ACCESS.values():
        assert row.member or not row.organization
        assert row.token or not (row.member or row.scope)


def test_every_error_has_a_code() -> None:
    for kind in ERRORS:
        if kind is not ReadStateError:
            assert any(base in CODES for base in kind.__mro__), kind
    assert code_of(ReadStateError()) == StatusCode.INTERNAL


def test_every_error_that_can_be_told_has_a_reason_of_its_own() -> None:
    reasons = [vars(kind)["reason"] for kind in ERRORS if "reason" in vars(kind)]
    assert len(set(reasons)) == len(reasons)
    for kind in ERRORS:
        if not any(issubclass(other, kind) and other is not kind for other in ERRORS):
            assert kind.reason.replace("_", "").isupper(), kind


def test_what_may_succeed_later_says_when() -> None:
    for kind in ERRORS:
        if kind is not ReadStateError and code_of(kind.__new__(kind)) in (
            StatusCode.UNAVAILABLE,
            StatusCode.RESOURCE_EXHAUSTED,
        ):
            assert kind.retry_after, kind
