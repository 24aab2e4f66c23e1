"""The documented second spelling of `patera.exceptions`: the same objects."""

from .exceptions import *  # noqa: F403
from .exceptions import __all__ as __all__
