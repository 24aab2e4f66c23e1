# mypy: disable-error-code="attr-defined, no-untyped-def, valid-type"
"""Loggers with a format and a filter of their own."""

from patera.logging import FilterType, LoggerBase


class FormatLogger(LoggerBase):
    """Example file logger"""

    def get_format(self) -> str:
        """Should return a valid format string for the logger output"""
        return self.get_conf_value(
            "FORMAT",
            "<green>{time:YYYY-MM-DD HH:mm:ss.SSS}</green> | "
            "<level>{level: <8}</level> | {extra[logger_name]} | "
            "{name}:{function}:{line} - <cyan>{message}</cyan>",
        )

    def get_filter(self) -> FilterType:
        """Should return a filter method which returns a boolean"""
        return None


class PerformanceLogger(LoggerBase):
    """Keeps what a performance logger says"""

    def get_filter(self):
        def _filter(record: dict[str, any]) -> bool:
            return "PERFORMANCE" in record["message"]

        return _filter


class JsonLogger(LoggerBase):
    """Writes lines of JSON"""

    def get_format(self) -> str:
        return self.dict_to_format_string({"time": "{time}", "level": "{level}", "message": "{message}"})
