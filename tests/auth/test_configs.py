"""The values of `AUTHENTICATION`: their type for config classes, their table in the documentation."""

import re
from typing import get_type_hints

from pydantic import AliasChoices

from patera.auth import AuthConfigs
from patera.config import AuthConfig
from tests.documents import ROOT


def names() -> set[str]:
    """Every name under which a value may be given."""
    found = set()
    for key, info in AuthConfigs.model_fields.items():
        alias = info.validation_alias
        found |= {key, *(str(name) for name in (alias.choices if isinstance(alias, AliasChoices) else ()))}
    return found


def test_type_for_config_classes_has_every_key() -> None:
    assert set(get_type_hints(AuthConfig)) == names()


def test_documentation_has_every_key_with_its_default() -> None:
    text = (ROOT / "docs/authentication.md").read_text().partition("## Configuration")[2]
    rows = re.findall(r"^\| (`[A-Z_`, ]+`) \| `(.+?)` \|", text, re.MULTILINE)
    listed = {key: default for keys, default in rows for key in re.findall(r"[A-Z_]+", keys)}
    defaults = {key: info.default for key, info in AuthConfigs.model_fields.items()}
    assert listed == {key: f'"{value}"' if isinstance(value, str) else str(value) for key, value in defaults.items()}
