"""Reads the snippets of the reference document, so that tests run what is written there and keep no copy of it.

The document is no part of the project. It lies in `shared/` beside the project's folder, or where `PATERA_REFERENCE`
says. A snippet is named by the line of its opening fence. The document lost its indentation, so `SNIPPETS` has one
digit per line, the level, in groups. What is no Python there is put right by `REPAIRS` and by `as_dict`. All else that
a test changes in a snippet is what the document leaves to the reader, such as placeholders.
"""

import hashlib
import os
import re
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Self

from tests.documents import ROOT

PATH = Path(os.environ.get("PATERA_REFERENCE") or ROOT.parent / "shared" / "reference-readme.txt")

FENCE = "```"
FILE_NAME = re.compile(r"#\s*([\w/]+\.py)\b")
SCHEMA_LINE = re.compile(r"^(\w+): [^=]+ = (.*?),?(\s*#.*)?$")

#: Line of the opening fence: first digits of the SHA-256 of the lines, indentation of each line.
SNIPPETS = {
    # The application
    129: ("9c4b73a1", "00000001"),
    142: ("6ba4e490", "000000111111"),
    159: ("c723e86e", "0" * 41 + "111110"),
    211: ("ba2f4b1b", "0001111"),
    221: ("dd408d1c", "0"),
    227: ("a171bc94", "0"),
    240: ("9299c2db", "0000000 112 1112"),
    262: ("bcda79d3", "0 1111 00 111111 00 111 00 111 000 111 000 11111 000 1 000 1 000 1 000 1"),
    # Logging
    322: ("e2373ead", "00000"),
    332: ("90b00d16", "000 1111111 0"),
    351: ("5f3312a8", "00001"),
    361: ("251f430e", "000"),
    370: ("fc00f684", "00000 11111111111111 0"),
    399: ("bc0161a5", "0111 22 3333 2 11 22"),
    419: ("27416075", "0 1 222 0 1"),
    # Controllers
    436: ("77f03ba4", "0000000 11 0000 111 2222 333 2 11111 222 0"),
    474: ("4ce66459", "010"),
    487: ("26f8de13", "0"),
    494: ("54341062", "000000"),
    505: ("1d503c6b", "0"),
    511: ("bf439db0", "0" * 20),
    536: ("2330b5e7", "00001"),
    546: ("fcafbf80", "0"),
    552: ("0f9fab1e", "0"),
    558: ("21be6a2d", "0"),
    564: ("41fdb35c", "000101"),
    575: ("9f15c581", "0"),
    588: ("d2874a0f", "0" * 10),
    603: ("b778bade", "0" * 16),
    629: ("2d23a868", "000000 112 1112 1111 22222322"),
    665: ("39a78294", "000 1111 2222222 334344554"),
    # Cross-origin requests
    700: ("63868939", "0" * 7),
    715: ("41ae0d1d", "000000001"),
    731: ("5a7dab67", "0000000 111111 01"),
    # Routes, errors, redirects, files, templates
    763: ("b5969034", "000"),
    779: ("f89f9c25", "0000000000 11 000 11 222 34 22 33 2"),
    811: ("9ff13536", "010"),
    824: ("fdfe9781", "0110"),
    834: ("4edc83e2", "001"),
    847: ("02ced1fa", "0001001001"),
    867: ("b8d7c2eb", "000"),
    875: ("7057db71", "0000 111 22"),
    893: ("a40b4f6f", "00111"),
    908: ("9dc87b62", "00"),
    926: ("dcfe3301", "0"),
    940: ("3814f86a", "0000011111"),
    # SQL databases
    976: ("b8f901fc", "000000"),
    987: ("c1e6aa36", "0110"),
    997: ("2c5c5a51", "01110"),
    1006: ("a2975b37", "0"),
    1011: ("84e6849c", "0"),
    1017: ("9e7dc950", "0"),
    1025: ("b289630b", "00"),
    1033: ("0eef6cc8", "000000"),
    1043: ("b608032e", "011100"),
    1056: ("598c2f3a", "0000111"),
    1067: ("7b3ba311", "000"),
    1076: ("2689cb69", "000000"),
    1090: ("c83440c8", "000"),
    1103: ("3e6466aa", "00000000000 11111111"),
    1130: ("0c97573c", "0"),
    1136: ("7dd327fa", "0"),
    1146: ("3d96c9fc", "0" * 9),
    1161: ("213a7a73", "00000"),
    1173: ("dfc7fde8", "011111110"),
    1187: ("fe847358", "010"),
    1199: ("c6d0674c", "00000 11111 000000 111"),
    # Authentication
    1463: ("0c32bca7", "0000000000 0111 00 01222333344555520 122200"),
    1513: ("5b45a818", "01110"),
    1523: ("d5f9ebc9", "00000 1111 01"),
    1543: ("7d96a371", "0110"),
    1552: ("250d04df", "000000"),
    1569: ("d1957f87", "0000011"),
    # Commands, middleware, tests
    1951: ("ef2e8d0e", "00000 11 111 22 11111 222"),
    1986: ("67b9afcb", "010"),
    1996: ("119a0f69", "00000000 1 2222"),
    2016: ("3270a6c0", "00010"),
    2042: ("1cadbb40", "00000000 1 000 12"),
    2062: ("c8073d66", "000110"),
    2078: ("801c7cad", "0"),
    2089: ("e93c75b7", "000"),
}

MISSING_COMMA = (r"$", ",")
MISSING_QUOTE = (r">\)", '>")')
NO_STAR = (r"\*,", "")
VALUE_FOR_TYPE = (r": [^=]+ = ", "=")

#: Line of the document: pattern and replacement. Each is a slip of the pen that Python cannot read.
REPAIRS = {
    **dict.fromkeys(range(337, 342), MISSING_COMMA),
    # A signature stands where a call is meant.
    738: NO_STAR,
    **dict.fromkeys(range(739, 745), VALUE_FOR_TYPE),
    **dict.fromkeys((764, 765, 766, 878), MISSING_QUOTE),
    894: (r"login\)", 'login")'),
    # The comment takes the closing brace with it.
    948: (r"\{#.*\}", '{"user_id": user_id}'),
    982: (r": str = ", "="),
    1039: (r"(\w+): \w+, (\w+): \w+ =", r"\1, \2="),
    1046: MISSING_COMMA,
    1174: (r"= dict:", "="),
    # The notation of a schema stands where a value is meant, and the comment where the comma belongs.
    **dict.fromkeys((1545, 1546), (r": str = (\".+?\")", r": \1,")),
}


@dataclass(frozen=True)
class Snippet:
    """The lines of one fenced block, by their numbers in the document, without the fences.

    Args:
        lines: The lines by number.
        levels: The indentation of each line.
    """

    lines: dict[int, str]
    levels: dict[int, int]

    @property
    def text(self) -> str:
        """The indented lines."""
        return self.inside(0)

    @property
    def file_name(self) -> str:
        """The file that the first line names."""
        found = FILE_NAME.match(next(iter(self.lines.values())))
        assert found, f"no file is named at line {next(iter(self.lines))}"
        return found[1]

    def inside(self, level: int) -> str:
        """Return the text as it stands within a class or a function."""
        lines = (" " * 4 * (level + self.levels[number]) + line for number, line in self.lines.items())
        return "".join(f"{line.rstrip()}\n" for line in lines)

    def part(self, first: int, last: int) -> Self:
        """Return the lines from one number to another."""
        return replace(self, lines={number: line for number, line in self.lines.items() if first <= number <= last})

    def repaired(self, number: int, pattern: str, replacement: str) -> Self:
        """Return the snippet with something replaced in one line.

        Raises:
            AssertionError: The line has nothing of the kind.
        """
        line, count = re.subn(pattern, replacement, self.lines[number], count=1)
        assert count, f"nothing to repair in line {number}"
        return replace(self, lines={**self.lines, number: line})

    def as_dict(self, first: int, last: int) -> Self:
        """Return the snippet with lines of schema notation (`NAME: Optional[Kind] = value`) as items of a dict."""
        items = {number: SCHEMA_LINE.sub(r'"\1": \2,', line) for number, line in self.part(first, last).lines.items()}
        return replace(self, lines={**self.lines, **items})


def snippet(line: int, *, as_written: bool = False) -> Snippet:
    """Return the snippet whose opening fence is in a line, indented and with its slips repaired.

    Args:
        line: The line in the document.
        as_written: Leave the slips in.

    Raises:
        AssertionError: The document has something else there.
    """
    digest, levels = SNIPPETS[line][0], SNIPPETS[line][1].replace(" ", "")
    lines = blocks().get(line, {})
    assert digest_of(lines) == digest, f"the document has another snippet at line {line}"
    assert len(levels) == len(lines), f"the snippet at line {line} has {len(lines)} lines, not {len(levels)}"
    found = Snippet(lines, dict(zip(lines, map(int, levels), strict=True)))
    for number in () if as_written else lines.keys() & REPAIRS.keys():
        found = found.repaired(number, *REPAIRS[number])
    return found


@cache
def blocks() -> dict[int, dict[int, str]]:
    """Return the lines of every fenced block, by number, by the line of the opening fence."""
    found: dict[int, dict[int, str]] = {}
    start = 0
    for number, line in enumerate(PATH.read_text(encoding="utf-8").splitlines(), 1):
        if line.startswith(FENCE):
            start = 0 if start else number
            if start:
                found[start] = {}
        elif start:
            found[start][number] = line
    return found


def digest_of(lines: dict[int, str]) -> str:
    return hashlib.sha256("\n".join(lines.values()).encode()).hexdigest()[:8]
