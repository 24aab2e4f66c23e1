"""What can go wrong in the blog; each error is its own answer."""

from patera import HttpStatus
from patera.exceptions import BaseHttpException


class EmailInUse(BaseHttpException):
    """Another user has this address."""

    def __init__(self, email: str) -> None:
        super().__init__(f"{email} is in use", HttpStatus.CONFLICT)


class BlogIsReadOnly(BaseHttpException):
    """`READ_ONLY` is set."""

    def __init__(self) -> None:
        super().__init__("The blog is read-only for now", HttpStatus.SERVICE_UNAVAILABLE)
