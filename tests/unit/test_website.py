"""The parts of `make docs` that need no site generator."""

from pathlib import Path

import pytest
import yaml

from website import grpc, pages, rest
from website.navigation import Unlisted, navigation


def test_the_rest_reference_has_every_operation_and_schema() -> None:
    page, api = rest.reference(), yaml.safe_load(rest.OPENAPI.read_text())
    for path, item in api["paths"].items():
        for verb in set(rest.METHODS) & set(item):
            assert f"`{verb.upper()} {path}`" in page
    for schema in api["components"]["schemas"]:
        assert f"\n### {schema}\n" in page


def test_the_grpc_reference_has_every_method_with_its_comment() -> None:
    page = grpc.reference()
    for file in grpc.descriptors().file:
        for service in file.service:
            for method in service.method:
                heading = f"### {service.name}/{method.name}\n\n"
                answer = f"[{method.output_type.rpartition('.')[2]}](#"
                answers = f"→ stream {answer}" if method.server_streaming else f"→ {answer}"
                assert answers in page.partition(heading)[2].split("\n", 1)[0]
    assert "MarkRead marks events as read for the calling member." in page


def test_a_page_is_in_a_section_or_the_build_fails(tmp_path: Path) -> None:
    (tmp_path / "index.md").touch()
    assert navigation(tmp_path) == [{"Start": ["index.md"]}]
    (tmp_path / "forgotten.md").touch()
    with pytest.raises(Unlisted, match=r"forgotten\.md"):
        navigation(tmp_path)


def test_links_to_the_repository_become_links_of_the_site(tmp_path: Path) -> None:
    pages.copy_all(tmp_path)
    assert "[gRPC reference](reference/grpc.md)" in (tmp_path / "index.md").read_text()
    assert "](decisions/0026-documentation-site.md)" in (tmp_path / "contributing.md").read_text()


def test_a_link_to_nothing_fails_the_build(tmp_path: Path) -> None:
    link = pages.LINK.match("[gone](gone.md)")
    assert link is not None
    with pytest.raises(pages.BrokenLink, match=r"docs/index\.md: gone\.md"):
        pages.relink(link, pages.ROOT / "docs" / "index.md", Path("index.md"), tmp_path)
