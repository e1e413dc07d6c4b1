"""docs/settings.md: every setting is there, with its default."""

import re
from pathlib import Path

import pytest
from pydantic.fields import FieldInfo

from readstate.config import PREFIX, GatewaySettings, ServerSettings

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "settings.md").read_text()
FIELDS = {
    (PREFIX + name).upper(): field
    for kind in (ServerSettings, GatewaySettings)
    for name, field in kind.model_fields.items()
}


def rows() -> dict[str, str]:
    """The text in the column `default`, by setting."""
    found = re.findall(r"^\| (`READSTATE_[^|]*) \| ([^|]*) \|", PAGE, re.MULTILINE)
    return {name: default for names, default in found for name in re.findall(r"`(\w+)`", names)}


def test_the_page_has_every_setting_and_no_other() -> None:
    assert rows().keys() == FIELDS.keys()


@pytest.mark.parametrize(("name", "field"), FIELDS.items())
def test_the_page_tells_the_default(name: str, field: FieldInfo) -> None:
    default = field.default
    if isinstance(default, bool):
        default = str(default).lower()
    if field.is_required():
        assert rows()[name] == "required"
    elif isinstance(default, str | int | float):
        assert rows()[name].startswith(f"`{default:g}`" if isinstance(default, float) else f"`{default}`")
