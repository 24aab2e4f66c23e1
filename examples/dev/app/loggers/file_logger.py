"""Writes what is slow to a file; the config dict `FILE_LOGGER` says where."""

from typing import Any

from patera.logging import FilterType, LoggerBase


class FileLogger(LoggerBase):
    """Keeps the lines about performance only."""

    def get_filter(self) -> FilterType:
        """Return what chooses records."""

        def is_about_performance(record: Any) -> bool:
            return "PERFORMANCE" in record["message"]

        return is_about_performance
