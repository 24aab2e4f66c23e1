from pathlib import Path

import pytest

from app import Application
from app.configs import Config
from patera.exceptions import ConfigurationError
from patera.testing import PateraTestClient
from run import make_secret_key


def test_made_key_is_read_by_the_next_start_and_by_its_owner_only(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("PATERA_SECRET_KEY", raising=False)
    file = tmp_path / ".env"
    make_secret_key(file)
    key = Config(_env_file=file).SECRET_KEY
    assert key is not None
    assert len(key) == 64
    assert file.stat().st_mode & 0o077 == 0


async def test_blog_without_key_does_not_start_in_production(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATERA_DEBUG", "false")
    monkeypatch.setenv("PATERA_SECRET_KEY", "")
    with pytest.raises(ConfigurationError, match="no SECRET_KEY"):
        async with PateraTestClient(Application()):
            pass
