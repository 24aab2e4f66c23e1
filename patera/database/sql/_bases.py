"""Which models share their tables: those of one database name, wherever they are defined.

Relationships and foreign keys name other models as text, so all bases of a name have to know the same
tables. A process may still define a table twice, as tests and a second application do: then a new set
of tables begins, and what was defined before keeps the old one.
"""

from __future__ import annotations

import sys
import weakref
from collections.abc import Mapping
from types import ModuleType
from typing import Any

from sqlalchemy.orm import registry

from patera._imports import to_upper_snake
from patera.exceptions import ConfigurationError, Mistake

__all__ = ["Family", "family_named", "name_table", "place"]

_FAMILY = "_patera_family"


class Family:
    """The models that share tables and know each other's names.

    Args:
        name: The database's name.
        own: The registry that a base brought along; such a family has no second set of tables.
    """

    def __init__(self, name: str, own: registry | None = None) -> None:
        self.name = name
        self.registry = registry() if own is None else own
        self.is_shared = own is None
        #: What `create_declarative_base()` returned.
        self.base: type[Any] | None = None
        self._bases: weakref.WeakSet[type[Any]] = weakref.WeakSet()
        self._modules: dict[str, weakref.ref[ModuleType]] = {}
        #: Module and class of each table; the classes themselves may be gone while their tables stay.
        self._owners: dict[str, tuple[str, str]] = {}

    def adopt(self, base: type[Any]) -> None:
        """Make a class one whose subclasses are models of this family."""
        setattr(base, _FAMILY, self)
        self._bases.add(base)
        base.registry, base.metadata = self.registry, vars(base).get("metadata", self.registry.metadata)

    def take_in(self, model: type[Any]) -> registry:
        """Return the set of tables that a new model belongs to.

        Raises:
            ConfigurationError: Another model of the same package has its table.
        """
        key = _table_key(model)
        if key in self._owners and key in self.registry.metadata.tables:
            if not self.is_shared or _is_mistake(self._owners[key], _path(model)):
                raise ConfigurationError(_defined_twice(self.name, self._owners[key], model))
            self._begin_anew()
        if key is not None:
            self._owners[key] = _path(model)
        module = sys.modules.get(model.__module__)
        if module is not None:
            self._modules[model.__module__] = weakref.ref(module)
        return self.registry

    @property
    def is_forgotten(self) -> bool:
        """Whether a module that defined models was removed or imported anew since."""
        return any(sys.modules.get(name) is not module() for name, module in self._modules.items())

    def _begin_anew(self) -> None:
        self.registry = registry()
        self._owners.clear()
        for base in self._bases:
            base.registry, base.metadata = self.registry, self.registry.metadata


_families: dict[tuple[str, str], Family] = {}


def family_named(name: str, module: str) -> Family:
    """Return the family of a database name for models that a module defines.

    Args:
        name: The database's name.
        module: The name of the module; one of tests is a program of its own.
    """
    key = (name, module if _is_test(module) else "")
    family = _families.get(key)
    if family is None or family.is_forgotten:
        family = _families[key] = Family(name)
    return family


def place(model: type[Any]) -> registry:
    """Return the set of tables that a class belongs to, before SQLAlchemy maps it.

    Args:
        model: A class that was just defined: a base, an abstract intermediate or a model.

    Raises:
        ConfigurationError: It names no database, or its table is taken.
    """
    tables: registry
    parent = _mapped_parent(model)
    if parent is not None:
        tables = parent.__mapper__.registry
        return tables
    is_abstract = bool(vars(model).get("__abstract__"))
    inherited: Family | None = getattr(model, _FAMILY, None)
    family = _family_of(model, _database_name(model, is_abstract), inherited)
    if family is None:
        tables = model.registry
        return tables
    if is_abstract:
        if family is not inherited:
            family.adopt(model)
        return family.registry
    tables = family.take_in(model)
    if family is not inherited:
        model.metadata = tables.metadata
    return tables


def name_table(model: type[Any]) -> None:
    """Name the table of a model after its class where nothing names it: `BlogPost` -> `blog_post`.

    Args:
        model: A class that was just defined.
    """
    is_named = hasattr(model, "__tablename__") or hasattr(model, "__table__") or hasattr(model, "__no_table__")
    if not is_named and not vars(model).get("__abstract__"):
        model.__tablename__ = to_upper_snake(model.__name__).lower()


def _database_name(model: type[Any], is_abstract: bool) -> str | None:
    name = getattr(model, "__db_name__", None)
    if (isinstance(name, str) and name) or (name is None and is_abstract):
        return name
    raise ConfigurationError(
        Mistake(
            "PAT430",
            ".".join(_path(model)),
            "no __db_name__" if name is None else f"__db_name__ = {name!r}",
            'the name of a SqlDatabase, "db" where it was created without one',
            'derive the model from create_declarative_base("db"), or write __db_name__ = "db"',
        )
    )


def _family_of(model: type[Any], name: str | None, inherited: Family | None) -> Family | None:
    own = vars(model)
    if name is None or "__db_name__" not in own:
        return inherited
    given = _given_tables(own)
    if given is not None:
        return Family(name, given)
    if inherited is not None and inherited.name == name:
        return inherited
    return family_named(name, model.__module__)


def _given_tables(own: Mapping[str, Any]) -> registry | None:
    """Return the tables of a base that says itself where they are, as in plain SQLAlchemy."""
    tables = own.get("registry")
    if isinstance(tables, registry):
        return tables
    metadata, types = own.get("metadata"), own.get("type_annotation_map")
    if metadata is None and types is None:
        return None
    return registry(metadata=metadata, type_annotation_map=types)


def _mapped_parent(model: type[Any]) -> Any:
    return next((parent for parent in model.__mro__[1:] if "__mapper__" in vars(parent)), None)


def _table_key(model: type[Any]) -> str | None:
    """Return the key of a model's table in `MetaData.tables`, None where the model does not mind an existing one."""
    name, arguments = vars(model).get("__tablename__"), getattr(model, "__table_args__", None)
    options = arguments[-1] if isinstance(arguments, tuple) and arguments else arguments
    options = options if isinstance(options, Mapping) else {}
    if not isinstance(name, str) or options.get("extend_existing") or options.get("keep_existing"):
        return None
    schema = options.get("schema") or model.metadata.schema
    return f"{schema}.{name}" if schema else name


def _is_test(module: str) -> bool:
    name = module.rpartition(".")[2]
    return name.startswith("test_") or name.endswith("_test") or name == "conftest"


def _is_mistake(owner: tuple[str, str], model: tuple[str, str]) -> bool:
    """Whether two models of one table stand side by side, and not in two programs or two runs of one."""
    if owner == model or "<locals>" in owner[1] + model[1]:
        return False
    return _package(owner[0]) == _package(model[0])


def _package(module: str) -> str:
    return module.rpartition(".")[0] or module


def _defined_twice(name: str, owner: tuple[str, str], model: type[Any]) -> Mistake:
    return Mistake(
        "PAT431",
        ".".join(_path(model)),
        f"its table {model.__tablename__!r} of the database {name!r} belongs to {'.'.join(owner)}",
        "one model per table",
        "give one of them another __tablename__ or __db_name__; two programs in one process take "
        f"create_declarative_base({name!r}, shared=False)",
    )


def _path(model: type[Any]) -> tuple[str, str]:
    return model.__module__, model.__qualname__
