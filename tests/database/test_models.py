"""Models: their bases and tables, what belongs to a database, and queries in an application."""

from __future__ import annotations

import importlib
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Column, ForeignKey, Integer, MetaData, String, Table
from sqlalchemy.exc import InvalidRequestError
from sqlalchemy.orm import Mapped, MappedAsDataclass, mapped_column, registry, relationship

import patera.database
from patera import Patera
from patera.database import DeclarativeBaseModel, create_declarative_base, create_declerative_base
from patera.database.sql import SqlDatabase
from patera.exceptions import ConfigurationError

Base = create_declerative_base("db")


class User(Base):  # type: ignore[misc, valid-type]
    """As the documentation writes it."""

    __tablename__: str = "users"

    id: Mapped[int] = mapped_column(primary_key=True)
    fullname: Mapped[str] = mapped_column(String(60))
    email: Mapped[str] = mapped_column(String(120), unique=True)
    posts: Mapped[list[Post]] = relationship(back_populates="author")


class Post(create_declerative_base()):  # type: ignore[misc]
    """Refers to a model of another base of the same name."""

    __tablename__: str = "posts"

    id: Mapped[int] = mapped_column(primary_key=True)
    author_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    author: Mapped[User] = relationship("User", back_populates="posts")


class TypedBase(DeclarativeBaseModel):
    __abstract__ = True
    __db_name__ = "typed"


class Timed(TypedBase):
    __abstract__ = True

    seconds: Mapped[int] = mapped_column(default=0)


class Race(Timed):
    race_id: Mapped[int] = mapped_column("id", primary_key=True)

    class Meta:
        exclude_from_table = ["seconds"]
        create_validation_shema = "RaceData"


class RelayRace(Race):
    class Meta(Race.Meta):
        exclude_from_table = ["race_id"]


def test_base_is_importable_in_both_spellings_and_from_both_places() -> None:
    assert patera.database.create_declerative_base is patera.database.sql.create_declarative_base
    assert create_declarative_base is create_declerative_base


def test_bases_of_one_name_are_one_class() -> None:
    assert create_declarative_base("db") is create_declerative_base() is Base
    assert create_declarative_base("other") is not Base


def test_bases_of_one_name_share_tables_and_class_names() -> None:
    assert {"users", "posts"} <= set(Base.metadata.tables)
    assert Post.author.property.mapper.class_ is User


def test_bases_of_other_names_have_tables_of_their_own() -> None:
    assert "race" in TypedBase.metadata.tables
    assert "race" not in Base.metadata.tables


def test_base_written_as_a_class_is_that_of_its_name() -> None:
    class Same(DeclarativeBaseModel):
        __abstract__ = True
        __db_name__ = "db"

    assert Same.metadata is Base.metadata
    assert Same.registry is Base.registry


def test_base_that_is_not_shared_has_tables_of_its_own() -> None:
    alone = create_declarative_base("db", shared=False)
    assert alone.metadata is not Base.metadata
    assert alone.db_name() == "db"


def test_base_with_metadata_of_its_own_shares_nothing() -> None:
    class Named(DeclarativeBaseModel):
        __abstract__ = True
        __db_name__ = "db"
        metadata = MetaData(naming_convention={"pk": "pk_%(table_name)s"})
        type_annotation_map = {str: String(7)}

    class Note(Named):
        __tablename__ = "users"
        id: Mapped[int] = mapped_column(primary_key=True)
        text: Mapped[str]

    assert Note.metadata is Named.metadata is not Base.metadata
    table: Any = Note.__table__
    assert table.primary_key.name == "pk_users"
    assert table.c.text.type.length == 7


def test_base_with_a_registry_of_its_own_uses_it() -> None:
    own = registry()
    base: Any = type("Own", (DeclarativeBaseModel,), {"__abstract__": True, "__db_name__": "db", "registry": own})
    assert (base.registry, base.metadata) == (own, own.metadata)


def test_model_can_name_its_database_itself() -> None:
    class Lonely(DeclarativeBaseModel):
        __db_name__ = "typed"
        id: Mapped[int] = mapped_column(primary_key=True)

    assert Lonely.metadata is TypedBase.metadata
    assert Lonely.query().model is Lonely


def test_base_that_repeats_the_name_of_its_parent_shares_its_tables() -> None:
    class Again(TypedBase):
        __abstract__ = True
        __db_name__ = "typed"

    assert Again.metadata is TypedBase.metadata


def test_mixin_base_without_a_name_takes_that_of_the_model() -> None:
    class Stamped(DeclarativeBaseModel):
        __abstract__ = True
        stamp: Mapped[int]

    class Letter(Stamped, TypedBase):
        id: Mapped[int] = mapped_column(primary_key=True)

    assert Letter.db_name() == "typed"
    assert Letter.metadata is TypedBase.metadata
    assert set(Letter.__table__.c.keys()) == {"id", "stamp"}


@pytest.mark.parametrize("name", [None, "", 7])
def test_model_without_a_database_is_a_mistake(name: Any) -> None:
    namespace = {"__module__": __name__, "id": Column(Integer, primary_key=True)}
    if name is not None:
        namespace["__db_name__"] = name
    with pytest.raises(ConfigurationError, match=r"PAT430 tests.*Nameless") as caught:
        type("Nameless", (DeclarativeBaseModel,), namespace)
    assert 'create_declarative_base("db")' in str(caught.value)


def test_table_without_a_name_is_called_after_its_class() -> None:
    assert Race.__tablename__ == "race"
    assert "__tablename__" not in vars(RelayRace)
    assert RelayRace.__table__ is Race.__table__


def test_subclass_of_a_model_may_have_a_table_of_its_own() -> None:
    class Vehicle(TypedBase):
        id: Mapped[int] = mapped_column(primary_key=True)

    class Lorry(Vehicle):
        __tablename__ = "lorry"
        id: Mapped[int] = mapped_column(ForeignKey("vehicle.id"), primary_key=True)
        load: Mapped[int]

    assert Lorry.__table__ is not Vehicle.__table__
    assert Lorry.registry is Vehicle.registry


def test_explicit_table_is_left_as_it_is() -> None:
    class Explicit(TypedBase):
        __table__ = Table("explicit_one", TypedBase.metadata, Column("id", Integer, primary_key=True))

    assert Explicit.__table__.name == "explicit_one"


def test_model_can_be_a_dataclass() -> None:
    class Point(MappedAsDataclass, TypedBase, kw_only=True):
        id: Mapped[int] = mapped_column(primary_key=True, init=False)
        x: Mapped[int] = mapped_column(default=3)

    assert Point(x=4).x == 4


def test_constructor_takes_attributes_alone() -> None:
    assert User(fullname="Ada", email="ada@example.org").fullname == "Ada"
    with pytest.raises(TypeError, match="'name' is an invalid keyword argument"):
        User(name="Ada")


def test_model_knows_its_database_and_key() -> None:
    assert User.db_name() == "db"
    assert Race.primary_key_names() == ["race_id"]
    assert Race.primary_keys() == [Race.__table__.c.id]


def test_meta_options_are_stored_with_those_of_parents() -> None:
    assert User.meta_options() == {}
    assert Race.meta_options() == {"exclude_from_table": ["seconds"], "create_validation_schema": "RaceData"}
    assert RelayRace.meta_options() == {"exclude_from_table": ["race_id"], "create_validation_schema": "RaceData"}


def test_model_shows_its_key() -> None:
    assert repr(User()) == "<User (not saved)>"


@pytest.mark.parametrize("session", ["name", 3, {"id": 1}, object()])
def test_query_of_something_that_is_no_session_is_an_error(session: Any) -> None:
    with pytest.raises(TypeError, match=r"User.query\(\) takes an AsyncSession, a Session or nothing"):
        User.query(session)


class TestSecondDefinition:
    """A table that is defined twice for one database name."""

    @pytest.fixture
    def write(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Any]]:
        """Write a module that defines a model of the table `twice`, and import it."""
        monkeypatch.syspath_prepend(tmp_path)
        names: list[str] = []

        def write(module: str, model: str = "One", *, more: str = "", database: str = tmp_path.name) -> Any:
            file = tmp_path.joinpath(*module.split(".")).with_suffix(".py")
            file.parent.mkdir(parents=True, exist_ok=True)
            source = f"""
                from sqlalchemy import ForeignKey
                from sqlalchemy.orm import Mapped, mapped_column, relationship
                from patera.database import create_declarative_base

                Base = create_declarative_base({database!r})

                class {model}(Base):
                    __tablename__ = "twice"
                    id: Mapped[int] = mapped_column(primary_key=True)
            """
            file.write_text(textwrap.dedent(source) + textwrap.dedent(more))
            names.append(module)
            importlib.invalidate_caches()
            return importlib.import_module(module)

        yield write
        for name in names:
            sys.modules.pop(name, None)

    def test_in_one_package_is_a_mistake_that_names_both(self, write: Callable[..., Any]) -> None:
        write("shop_a.users", "One")
        with pytest.raises(ConfigurationError) as caught:
            write("shop_a.people", "Two")
        text = str(caught.value)
        assert "PAT431 shop_a.people.Two" in text
        assert "its table 'twice'" in text
        assert "belongs to shop_a.users.One" in text
        assert "shared=False" in text

    def test_in_one_module_is_a_mistake(self) -> None:
        source = """
            class One(Base):
                __tablename__ = "twice_here"
                id: Mapped[int] = mapped_column(primary_key=True)

            class Two(Base):
                __tablename__ = "twice_here"
                id: Mapped[int] = mapped_column(primary_key=True)
        """
        names = {"Base": create_declarative_base("here"), "Mapped": Mapped, "mapped_column": mapped_column}
        with pytest.raises(ConfigurationError, match="PAT431"):
            exec(textwrap.dedent(source), {**names, "__name__": __name__})

    def test_of_a_base_of_its_own_is_a_mistake(self) -> None:
        base: Any = create_declarative_base("db", shared=False)
        namespace = {"__tablename__": "twice", "__module__": __name__}
        type("One", (base,), {**namespace, "id": Column(Integer, primary_key=True)})
        with pytest.raises(ConfigurationError, match="PAT431"):
            type("Two", (base,), {**namespace, "id": Column(Integer, primary_key=True)})

    def test_in_another_package_begins_new_tables(self, write: Callable[..., Any]) -> None:
        first = write("shop_b.models")
        more = """
            class Order(Base):
                __tablename__ = "orders"
                id: Mapped[int] = mapped_column(primary_key=True)
                one_id: Mapped[int] = mapped_column(ForeignKey("twice.id"))
                one: Mapped["One"] = relationship()
        """
        second = write("shop_c.models", more=more)
        assert second.One.metadata is not first.One.metadata
        assert second.Order.one.property.mapper.class_ is second.One
        assert second.One.metadata is second.Order.metadata is second.Base.metadata
        assert set(first.One.metadata.tables) == {"twice"}

    def test_in_one_application_is_a_build_mistake(
        self, write: Callable[..., Any], make_app: Callable[..., Patera], tmp_path: Path
    ) -> None:
        first, second = write("shop_f.models"), write("shop_g.models", "Two")
        configs = {"DATABASE_URI": f"sqlite+aiosqlite:///{tmp_path / 'test.db'}"}
        models = {"MODELS": [first.One, second.Two], "EXTENSIONS": [SqlDatabase(tmp_path.name)]}
        with pytest.raises(ConfigurationError) as caught:
            make_app(SQL_DATABASE=configs, **models).build()
        assert "PAT432 shop_g.models.Two" in str(caught.value)
        assert "the table 'twice' of shop_f.models.One is described once more" in str(caught.value)

    def test_in_a_module_imported_anew_begins_new_tables(self, write: Callable[..., Any]) -> None:
        first = write("shop_d.models")
        del sys.modules["shop_d.models"]
        second = write("shop_d.models")
        assert second.Base is not first.Base
        assert set(second.Base.metadata.tables) == set(first.Base.metadata.tables) == {"twice"}

    def test_in_test_modules_is_no_matter(self, write: Callable[..., Any]) -> None:
        first, second = write("shop_e.test_one"), write("shop_e.test_two")
        assert first.Base is not second.Base
        assert first.One.metadata is not second.One.metadata

    def test_in_a_function_that_runs_twice_begins_new_tables(self) -> None:
        def define() -> Any:
            class Made(create_declarative_base("made")):  # type: ignore[misc]
                __tablename__ = "made"
                id: Mapped[int] = mapped_column(primary_key=True)

            return Made

        first, second = define(), define()
        assert first.metadata is not second.metadata
        assert first.__table__.metadata is first.metadata

    def test_that_extends_the_table_on_purpose_is_allowed(self) -> None:
        base: Any = create_declarative_base("extended", shared=False)
        namespace = {"__tablename__": "extended", "__module__": __name__}
        one: Any = type("One", (base,), {**namespace, "id": Column(Integer, primary_key=True)})
        arguments = {"__table_args__": {"extend_existing": True}, "id": Column(Integer, primary_key=True)}
        two: Any = type("Two", (base,), {**namespace, **arguments})
        assert one.__table__ is two.__table__

    def test_in_another_schema_is_another_table(self) -> None:
        base: Any = create_declarative_base("schemas", shared=False)
        namespace = {"__tablename__": "same", "__module__": __name__}
        for schema in ("first", "second"):
            arguments = {"__table_args__": ({"schema": schema}), "id": Column(Integer, primary_key=True)}
            type(schema, (base,), {**namespace, **arguments})
        assert set(base.metadata.tables) == {"first.same", "second.same"}

    def test_by_a_table_without_a_model_is_an_error_of_sqlalchemy(self) -> None:
        base: Any = create_declarative_base("plain", shared=False)
        Table("same", base.metadata, Column("id", Integer, primary_key=True))
        with pytest.raises(InvalidRequestError, match="already defined"):
            type("Same", (base,), {"__tablename__": "same", "id": Column(Integer, primary_key=True)})
