"""Makes the one instance that each controller, exception handler and middleware class has."""

from __future__ import annotations

from typing import Any

from patera.exceptions import Mistake
from patera.middleware import MiddlewareBase


class InstanceMaker:
    """Calls constructors; what they raise becomes a mistake of the build, and the first error its cause."""

    def __init__(self) -> None:
        self.mistakes: list[Mistake] = []
        self.cause: Exception | None = None

    def make(self, cls: type, *arguments: Any) -> Any:
        """Return an instance, or None after noting why there is none."""
        is_middleware = issubclass(cls, MiddlewareBase)
        form, sets = ("(app, next_app)", "next") if is_middleware else ("(app)", "app")
        try:
            instance = cls(*arguments)
        except Exception as error:
            self.cause = self.cause or error
            self._refuse(cls, form, f"its constructor raised {type(error).__name__}: {error}")
            return None
        if not hasattr(instance, sets):
            self._refuse(cls, form, f"its __init__ does not set self.{sets}: it does not call super().__init__{form}")
            return None
        return instance

    def _refuse(self, cls: type, form: str, found: str) -> None:
        mistake = Mistake(
            "PAT103",
            f"{cls.__module__}.{cls.__qualname__}",
            found,
            f"a class that can be made as {cls.__name__}{form}",
            f"correct __init__, and call super().__init__{form} in it; "
            "what needs a running application belongs in @on_startup",
        )
        self.mistakes.append(mistake)
