"""What the blog stores, and what a storage must be able to do."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class User:
    """Somebody who writes posts."""

    id: int
    fullname: str
    email: str
    has_avatar: bool


@dataclass(frozen=True)
class Post:
    """One article."""

    id: int
    author_id: int
    author: str
    title: str
    text: str
    created_at: datetime


@dataclass(frozen=True)
class Comment:
    """What a visitor says about a post."""

    id: int
    post_id: int
    author: str
    text: str
    created_at: datetime


class EmailTaken(Exception):
    """A user with this address exists."""


class BlogStore(ABC):
    """A storage of the blog; controllers know nothing else about it."""

    @abstractmethod
    async def open(self) -> None:
        """Connect, and create what is missing."""

    @abstractmethod
    async def close(self) -> None:
        """Disconnect."""

    @abstractmethod
    async def list_users(self) -> Sequence[User]:
        """Return all users, the oldest first."""

    @abstractmethod
    async def find_user(self, user_id: int) -> User | None:
        """Return a user."""

    @abstractmethod
    async def add_user(self, fullname: str, email: str) -> User:
        """Add a user.

        Raises:
            EmailTaken: The address belongs to another one.
        """

    @abstractmethod
    async def find_avatar(self, user_id: int) -> bytes | None:
        """Return a user's picture."""

    @abstractmethod
    async def set_avatar(self, user_id: int, picture: bytes) -> None:
        """Replace a user's picture."""

    @abstractmethod
    async def list_posts(
        self, *, limit: int, offset: int = 0, author_id: int | None = None, search: str = ""
    ) -> Sequence[Post]:
        """Return posts, the newest first."""

    @abstractmethod
    async def count_posts(self, *, author_id: int | None = None, search: str = "") -> int:
        """Return how many posts there are."""

    @abstractmethod
    async def find_post(self, post_id: int) -> Post | None:
        """Return a post."""

    @abstractmethod
    async def add_post(self, author_id: int, title: str, text: str) -> Post:
        """Add a post of an existing user."""

    @abstractmethod
    async def change_post(self, post_id: int, title: str, text: str) -> None:
        """Replace title and text of a post."""

    @abstractmethod
    async def remove_post(self, post_id: int) -> None:
        """Remove a post and its comments."""

    @abstractmethod
    async def list_comments(self, post_id: int) -> Sequence[Comment]:
        """Return the comments of a post, the oldest first."""

    @abstractmethod
    async def add_comment(self, post_id: int, author: str, text: str) -> Comment:
        """Add a comment to an existing post."""
