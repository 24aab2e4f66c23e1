"""The users of `benchmarks.database` in the original package, as its document shows it.

It runs in an interpreter of its own, started by `python -m benchmarks server --original PYTHON`. Without its logger's
line per request, as an application in production; with a plain `Response`, as `Response[list[...]]` ends its server.
"""

import os
from typing import Any

from pydantic import BaseModel, ConfigDict
from pyjolt import BaseConfig, LogLevel, MediaType, PyJolt, Request, Response, app  # type: ignore[import-not-found]
from pyjolt.controller import Controller, get, path, produces  # type: ignore[import-not-found]
from pyjolt.database.sql import DeclarativeBaseModel, SqlDatabase  # type: ignore[import-not-found]
from sqlalchemy import String
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

db = SqlDatabase()


class User(DeclarativeBaseModel):  # type: ignore[misc]
    __db_name__ = "db"
    __tablename__ = "users"

    id: Mapped[int] = mapped_column(primary_key=True)
    fullname: Mapped[str] = mapped_column(String(100))
    email: Mapped[str] = mapped_column(String(200), unique=True)


class UserOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: int
    fullname: str
    email: str


@path("/api/v1/users")
class Users(Controller):  # type: ignore[misc]
    @get("/")  # type: ignore[untyped-decorator]
    @produces(MediaType.APPLICATION_JSON)  # type: ignore[untyped-decorator]
    @db.readonly_session  # type: ignore[untyped-decorator]
    async def get_users(self, req: Request, session: AsyncSession) -> Response:
        users = await User.query(session).order_by(User.id).all()
        return req.res.json([UserOut.model_validate(user).model_dump() for user in users])


class Config(BaseConfig):  # type: ignore[misc]
    APP_NAME: str = "Users"
    VERSION: str = "1.0"
    BASE_PATH: str = "."
    DEBUG: bool = False
    DEFAULT_LOGGER: dict[str, Any] = {"LEVEL": LogLevel.WARNING}
    CONTROLLERS: list[str] = [f"{__name__}:Users"]
    EXTENSIONS: list[str] = [f"{__name__}:db"]
    MODELS: list[str] = [f"{__name__}:User"]
    SQL_DATABASE: dict[str, Any] = {"DATABASE_URI": os.environ["BENCHMARK_DATABASE"]}


@app(__name__, configs=Config)
class Application(PyJolt): ...  # type: ignore[misc]
