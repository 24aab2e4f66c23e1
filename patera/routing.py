"""Converters of path variables: the built-in ones, and the base of an application's own.

Example:
    class ColorConverter(Converter[tuple[int, ...]]):
        regex = "[0-9a-f]{6}"
        python_type = tuple

        def convert(self, value: str) -> tuple[int, ...]:
            return tuple(bytes.fromhex(value))

        def to_string(self, value: tuple[int, ...]) -> str:
            return bytes(value).hex()

    class Application(Patera):
        def __init__(self, cli_mode: bool = False) -> None:
            super().__init__(cli_mode)
            self.register_converter("color", ColorConverter)

    @get("/paint/<color:background>")
    async def paint(self, req: Request, background: tuple[int, ...]) -> Response: ...
"""

from ._compiler.converters import (
    AnyConverter,
    Converter,
    FloatConverter,
    IntegerConverter,
    PathConverter,
    StringConverter,
    UUIDConverter,
)

__all__ = [
    "AnyConverter",
    "Converter",
    "FloatConverter",
    "IntegerConverter",
    "PathConverter",
    "StringConverter",
    "UUIDConverter",
]
