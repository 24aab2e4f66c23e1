"""One page of a result, as a dict with attributes, and the window of rows that it shows."""

from __future__ import annotations

import weakref
from collections.abc import Callable, ItemsView, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Generic, SupportsIndex, TypeVar

from patera.exceptions import NotFound

from ._conditions import LARGEST, whole_number

__all__ = ["MAX_PER_PAGE", "Page", "Window"]

T = TypeVar("T")
U = TypeVar("U")

#: What `per_page` is bounded by unless `paginate()` is told otherwise.
MAX_PER_PAGE = 1000


@dataclass(frozen=True, slots=True)
class Window:
    """Which rows a page shows.

    Args:
        page: Its number, from 1.
        per_page: Rows on a page, from 1.
    """

    page: int
    per_page: int

    @classmethod
    def of(cls, page: Any, per_page: Any, max_per_page: int | None = MAX_PER_PAGE) -> Window:
        """Return the window for numbers of whatever size, as they come from a request.

        Args:
            page: Below 1 counts as 1.
            per_page: Below 1 counts as 1.
            max_per_page: More counts as this; None for no bound.

        Raises:
            QueryError: One of them is no whole number.
        """
        rows = max(1, whole_number(per_page, "per_page"))
        if max_per_page is not None:
            rows = min(rows, max(1, max_per_page))
        return cls(min(max(1, whole_number(page, "page")), LARGEST // rows + 1), rows)

    @property
    def offset(self) -> int:
        """How many rows come before the page."""
        return (self.page - 1) * self.per_page

    def within(self, offset: int, limit: int | None) -> tuple[int, int]:
        """Return OFFSET and LIMIT of the page of a query that has these two itself."""
        rows = self.per_page if limit is None else max(0, min(self.per_page, limit - self.offset))
        return min(offset + self.offset, LARGEST), rows

    def is_beyond(self, total: int) -> bool:
        """Whether the page begins behind the last of `total` rows, so that it need not be read."""
        return self.offset >= total

    def filled(self, total: int, items: Iterable[T], error_out: bool = False) -> Page[T]:
        """Return the page with its rows.

        Raises:
            NotFound: With `error_out`, when the page is behind the last; the first page always exists.
        """
        if error_out and self.page > 1 and self.is_beyond(total):
            raise NotFound(f"There is no page {self.page}")
        return Page(items, total, self.page, self.per_page)


class Page(dict[str, Any], Generic[T]):
    """One page of a result: a dict with the documented keys, whose values are attributes too.

    Example:
        page = await User.query(session).paginate(page=2, per_page=20)
        page["total"], page.total                        # 57, 57
        names = [user.name for user in page.items]
        return page.map(lambda user: {"id": user.id, "name": user.name})

    Args:
        items: The rows of this page.
        total: Rows on all pages.
        page: The number of this page, from 1.
        per_page: Rows on a full page.
    """

    def __init__(self, items: Iterable[T], total: int, page: int, per_page: int) -> None:
        pages = -(-total // per_page)
        super().__init__(
            items=_Items(items, self),
            total=total,
            page=page,
            pages=pages,
            per_page=per_page,
            has_next=page < pages,
            has_prev=page > 1,
        )

    @property
    def items(self) -> list[T]:  # type: ignore[override]
        """The rows of this page."""
        rows: list[T] = self["items"]
        if not isinstance(rows, _Items):
            rows = self["items"] = _Items(rows, self)
        return rows

    @property
    def total(self) -> int:
        """Rows on all pages."""
        return int(self["total"])

    @property
    def page(self) -> int:
        """The number of this page, from 1."""
        return int(self["page"])

    @property
    def pages(self) -> int:
        """How many pages there are; 0 without rows."""
        return int(self["pages"])

    @property
    def per_page(self) -> int:
        """Rows on a full page."""
        return int(self["per_page"])

    @property
    def has_next(self) -> bool:
        """Whether another page follows."""
        return bool(self["has_next"])

    @property
    def has_prev(self) -> bool:
        """Whether this is not the first page."""
        return bool(self["has_prev"])

    @property
    def next_num(self) -> int | None:
        """The number of the next page, None on the last."""
        return self.page + 1 if self.has_next else None

    @property
    def prev_num(self) -> int | None:
        """The number of the page before, None on the first."""
        return self.page - 1 if self.has_prev else None

    def iter_pages(
        self, *, left_edge: int = 2, left_current: int = 2, right_current: int = 4, right_edge: int = 2
    ) -> Iterator[int | None]:
        """Yield the page numbers for a row of links, None where numbers are left out.

        The arguments are those of Flask-SQLAlchemy 3.

        Example:
            list(page.iter_pages())    # page 7 of 20: [1, 2, None, 5, 6, 7, 8, 9, 10, 11, None, 19, 20]

        Args:
            left_edge: Pages shown at the beginning.
            left_current: Pages shown before this one.
            right_current: Pages shown after this one.
            right_edge: Pages shown at the end.
        """
        last, pages = 0, self.pages
        around = range(self.page - left_current, self.page + right_current + 1)
        shown = {*range(1, left_edge + 1), *around, *range(pages - right_edge + 1, pages + 1)}
        for number in sorted(number for number in shown if 1 <= number <= pages):
            if number > last + 1:
                yield None
            yield number
            last = number
        if last < pages:
            yield None

    def map(self, function: Callable[[T], U]) -> Page[U]:
        """Return the same page of other items.

        Args:
            function: Called with each row; its result takes the row's place.
        """
        return Page(map(function, self.items), self.total, self.page, self.per_page)

    def __reduce_ex__(self, protocol: SupportsIndex) -> tuple[Any, ...]:
        return Page, (list(self.items), self.total, self.page, self.per_page)


class _Items(list[T]):
    """The rows of a page, where a dict has its method `items()`; called, they do what that method does.

    `page.items` are the rows, as in Flask-SQLAlchemy, while whoever takes the page for a dict, such
    as the `json` module, calls `page.items()`.
    """

    def __init__(self, items: Iterable[T], page: Page[T]) -> None:
        super().__init__(items)
        # Weak, as a cycle would keep every page and its rows until the garbage collector runs.
        self._page = weakref.ref(page)

    def __call__(self) -> ItemsView[str, Any]:
        page = self._page()
        return dict.items({} if page is None else page)

    def __reduce_ex__(self, protocol: SupportsIndex) -> tuple[Any, ...]:
        return list, (list(self),)
