"""What is wrong with the databases of an application, and with the models that refer to them."""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from patera.exceptions import Mistake, closest

from ._state import SqlState

if TYPE_CHECKING:
    from patera.application import Patera
    from patera.extension import BaseExtension

__all__ = ["database_mistakes", "models_of"]


def models_of(app: Patera, db_name: str) -> list[Any]:
    """Return the classes of `MODELS` that belong to a database.

    Args:
        app: The application.
        db_name: The name of the database.
    """
    return [model for model in app.models if getattr(model, "__db_name__", None) == db_name]


def database_mistakes(app: Patera) -> Sequence[Mistake]:
    """Return what is wrong with an application's databases as a whole.

    Args:
        app: The application, with all its extensions.
    """
    databases = {each: state for each, state in app.extension_states.items() if isinstance(state, SqlState)}
    names = Counter(state.db_name for state in databases.values())
    return [
        *(_equal_name(name, databases) for name, count in names.items() if count > 1),
        *(_unknown_database(model, names) for model in app.models if _names_another(model, names)),
        *(_equal_table(first, second) for name in names for first, second in _pairs_of_one_table(models_of(app, name))),
    ]


def _names_another(model: Any, names: Iterable[str]) -> bool:
    # A model of a document database may have a name of that kind too, but no table.
    return hasattr(model, "metadata") and getattr(model, "__db_name__", None) not in (None, *names)


def _pairs_of_one_table(models: Iterable[Any]) -> Iterator[tuple[Any, Any]]:
    """Yield models that describe one table apart from each other; subclasses without a table share the description."""
    first: dict[str, Any] = {}
    for model in models:
        table = getattr(model, "__table__", None)
        if table is not None and first.setdefault(table.key, model).__table__ is not table:
            yield first[table.key], model


def _equal_table(first: Any, second: Any) -> Mistake:
    return Mistake(
        "PAT432",
        f"{second.__module__}.{second.__qualname__}",
        f"the table {second.__table__.key!r} of {first.__module__}.{first.__qualname__} is described once more",
        "one model for each table of a database",
        "give one of them another __tablename__ or database, or derive one from the other",
        _location(second),
    )


def _equal_name(name: str, databases: dict[BaseExtension, SqlState]) -> Mistake:
    keys = [each.configs_key for each, state in databases.items() if state.db_name == name]
    return Mistake(
        "PAT406",
        " and ".join(keys),
        f"two databases are called {name!r}",
        "a db_name of its own for each, as models refer to it",
        f'give one of them another name: SqlDatabase("archive", configs_name={keys[-1]!r})',
    )


def _unknown_database(model: Any, names: Iterable[str]) -> Mistake:
    name, known = model.__db_name__, sorted(names)
    return Mistake(
        "PAT407",
        f"{model.__module__}.{model.__qualname__}",
        f"the model belongs to the database {name!r}, which the application does not have",
        ", ".join(map(repr, known)),
        f"correct the name given to its base class, or list SqlDatabase({name!r}) in EXTENSIONS.{closest(name, known)}",
        _location(model),
    )


def _location(model: Any) -> str:
    try:
        return f"{inspect.getsourcefile(model)}:{inspect.getsourcelines(model)[1]}"
    except (OSError, TypeError):
        return ""
