"""The application class: what a subclass may define."""

import pytest

from patera import BaseConfig, Patera, app, on_shutdown, on_startup
from patera.exceptions import ConfigurationError


class Config(BaseConfig):
    APP_NAME: str = "Test"
    VERSION: str = "1.0"
    BASE_PATH: str = "."


def test_startup_method_that_hides_a_member_of_the_framework_is_refused() -> None:
    class Mixin:
        @on_shutdown
        async def aclose(self) -> None: ...

    @app(__name__, configs=Config)
    class Application(Mixin, Patera):
        @on_startup
        async def load(self) -> None: ...  # type: ignore[override]

    with pytest.raises(ConfigurationError) as caught:
        Application()
    assert [(mistake.code, mistake.found) for mistake in caught.value.mistakes] == [
        ("PAT002", "a startup or shutdown method named 'aclose', which hides Patera.aclose"),
        ("PAT002", "a startup or shutdown method named 'load', which hides Patera.load"),
    ]


def test_override_that_is_no_startup_method_is_accepted() -> None:
    @app(__name__, configs=Config)
    class Application(Patera):
        def build(self) -> None:
            super().build()
            self.state.is_built = True

    application = Application()
    application.build()
    assert application.state.is_built is True
