"""The blog in SQLite."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from sqlite3 import IntegrityError, Row
from typing import Any

import aiosqlite

from app.storage.blog_store import BlogStore, Comment, EmailTaken, Post, User

TABLES = """
CREATE TABLE IF NOT EXISTS users (
    id INTEGER PRIMARY KEY, fullname TEXT NOT NULL, email TEXT NOT NULL UNIQUE, avatar BLOB
);
CREATE TABLE IF NOT EXISTS posts (
    id INTEGER PRIMARY KEY, author_id INTEGER NOT NULL REFERENCES users ON DELETE CASCADE,
    title TEXT NOT NULL, text TEXT NOT NULL, created_at TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS comments (
    id INTEGER PRIMARY KEY, post_id INTEGER NOT NULL REFERENCES posts ON DELETE CASCADE,
    author TEXT NOT NULL, text TEXT NOT NULL, created_at TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS comments_of_post ON comments (post_id);
"""
USERS = "SELECT id, fullname, email, avatar IS NOT NULL AS has_avatar FROM users"
POSTS = (
    "SELECT posts.id, author_id, fullname AS author, title, text, created_at "
    "FROM posts JOIN users ON users.id = author_id"
)
FILTERED = "WHERE (?1 IS NULL OR author_id = ?1) AND instr(lower(title), lower(?2))"


class SqliteStore(BlogStore):
    """Keeps the blog in one file; each statement is a transaction of its own."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._connection: aiosqlite.Connection | None = None
        self._opening = asyncio.Lock()

    async def open(self) -> None:
        async with self._opening:
            if self._connection is None:
                self._connection = await aiosqlite.connect(self._path, isolation_level=None)
                self._connection.row_factory = Row
                await self._connection.execute("PRAGMA foreign_keys = ON")
                await self._connection.execute("PRAGMA journal_mode = WAL")
                await self._connection.executescript(TABLES)

    async def close(self) -> None:
        if self._connection is not None:
            await self._connection.close()
            self._connection = None

    async def list_users(self) -> Sequence[User]:
        return [_user(row) for row in await self._rows(f"{USERS} ORDER BY id")]

    async def find_user(self, user_id: int) -> User | None:
        rows = await self._rows(f"{USERS} WHERE id = ?", user_id)
        return _user(rows[0]) if rows else None

    async def add_user(self, fullname: str, email: str) -> User:
        try:
            user_id = await self._insert("INSERT INTO users (fullname, email) VALUES (?, ?)", fullname, email)
        except IntegrityError as error:
            raise EmailTaken(email) from error
        return User(user_id, fullname, email, has_avatar=False)

    async def find_avatar(self, user_id: int) -> bytes | None:
        rows = await self._rows("SELECT avatar FROM users WHERE id = ?", user_id)
        return rows[0]["avatar"] if rows else None

    async def set_avatar(self, user_id: int, picture: bytes) -> None:
        await self._rows("UPDATE users SET avatar = ? WHERE id = ?", picture, user_id)

    async def list_posts(
        self, *, limit: int, offset: int = 0, author_id: int | None = None, search: str = ""
    ) -> Sequence[Post]:
        query = f"{POSTS} {FILTERED} ORDER BY posts.id DESC LIMIT ?3 OFFSET ?4"
        return [_post(row) for row in await self._rows(query, author_id, search, limit, offset)]

    async def count_posts(self, *, author_id: int | None = None, search: str = "") -> int:
        rows = await self._rows(f"SELECT count(*) AS number FROM posts {FILTERED}", author_id, search)
        return rows[0]["number"] if rows else 0

    async def find_post(self, post_id: int) -> Post | None:
        rows = await self._rows(f"{POSTS} WHERE posts.id = ?", post_id)
        return _post(rows[0]) if rows else None

    async def add_post(self, author_id: int, title: str, text: str) -> Post:
        statement = "INSERT INTO posts (author_id, title, text, created_at) VALUES (?, ?, ?, ?)"
        post_id = await self._insert(statement, author_id, title, text, datetime.now(UTC).isoformat())
        post = await self.find_post(post_id)
        assert post is not None
        return post

    async def change_post(self, post_id: int, title: str, text: str) -> None:
        await self._rows("UPDATE posts SET title = ?, text = ? WHERE id = ?", title, text, post_id)

    async def remove_post(self, post_id: int) -> None:
        await self._rows("DELETE FROM posts WHERE id = ?", post_id)

    async def list_comments(self, post_id: int) -> Sequence[Comment]:
        rows = await self._rows("SELECT * FROM comments WHERE post_id = ? ORDER BY id", post_id)
        return [_comment(row) for row in rows]

    async def add_comment(self, post_id: int, author: str, text: str) -> Comment:
        now = datetime.now(UTC)
        statement = "INSERT INTO comments (post_id, author, text, created_at) VALUES (?, ?, ?, ?)"
        comment_id = await self._insert(statement, post_id, author, text, now.isoformat())
        return Comment(comment_id, post_id, author, text, now)

    async def _rows(self, statement: str, *values: Any) -> Sequence[Row]:
        try:
            return list(await (await self._opened()).execute_fetchall(statement, values))
        except OverflowError:
            # SQLite's integers have 64 bits: nothing has such a number.
            return []

    async def _insert(self, statement: str, *values: Any) -> int:
        async with (await self._opened()).execute(statement, values) as cursor:
            assert cursor.lastrowid is not None
            return cursor.lastrowid

    async def _opened(self) -> aiosqlite.Connection:
        if self._connection is None:
            # Commands run without a startup.
            await self.open()
        assert self._connection is not None
        return self._connection


def _user(row: Row) -> User:
    return User(row["id"], row["fullname"], row["email"], bool(row["has_avatar"]))


def _post(row: Row) -> Post:
    return Post(**{**dict(row), "created_at": datetime.fromisoformat(row["created_at"])})


def _comment(row: Row) -> Comment:
    return Comment(**{**dict(row), "created_at": datetime.fromisoformat(row["created_at"])})
