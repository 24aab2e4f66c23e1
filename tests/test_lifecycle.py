"""Startup and shutdown methods of an application."""

import pytest

from patera import Patera, on_startup
from patera._lifecycle import refuse_hiding_methods
from patera.exceptions import ConfigurationError


def test_startup_method_named_like_a_member_of_the_framework_is_refused() -> None:
    class Mixin:
        @on_startup
        async def load(self) -> None: ...

    class Application(Mixin, Patera): ...

    with pytest.raises(ConfigurationError) as caught:
        refuse_hiding_methods(Application, Patera)
    (mistake,) = caught.value.mistakes
    assert (mistake.code, mistake.found) == ("PAT002", "a startup or shutdown method named 'load', which hides Patera.load")


def test_overridden_member_that_is_no_startup_method_is_accepted() -> None:
    class Application(Patera):
        def build(self) -> None:
            super().build()

    refuse_hiding_methods(Application, Patera)
