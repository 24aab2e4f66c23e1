"""Load from outside: runs `wrk` and `ab`, and reads what they print."""

import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.cases import Case
from benchmarks.cores import pinned_to

#: Tool -> the Debian package that has it.
PACKAGES = {"wrk": "wrk", "ab": "apache2-utils"}
_MILLISECONDS = {"us": 0.001, "ms": 1.0, "s": 1_000.0, "m": 60_000.0}


@dataclass(frozen=True)
class Load:
    """What a tool reports of one burst.

    Args:
        requests: How many answers came.
        per_second: How many in a second.
        p50: The milliseconds within which half of them came.
        p99: The milliseconds within which 99 of 100 came.
        errors: What went wrong, so that the figures mean nothing.
    """

    requests: int
    per_second: float
    p50: float
    p99: float
    errors: tuple[str, ...] = ()


@dataclass(frozen=True)
class Tool:
    """A program that makes load, and the core that it may use; None for any."""

    name: str
    core: int | None

    def run(self, *arguments: str, folder: Path | None = None) -> Load:
        """Run it to its end; a failure is an error of the result."""
        with pinned_to(self.core):
            done = subprocess.run(
                [self.name, *arguments], cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True
            )
        if done.returncode:
            reason = " ".join((done.stderr or done.stdout).split())
            return Load(0, 0.0, 0.0, 0.0, (f"{self.name} ended with {done.returncode}: {reason}",))
        return _PARSERS[self.name](done.stdout)


def missing(tool: str) -> str:
    """What to do about a tool that is not there; nothing where it is."""
    if shutil.which(tool):
        return ""
    return f"`{tool}` is not installed: `apt-get install {PACKAGES[tool]}`"


def wrk_arguments(case: Case, url: str, folder: Path, *, seconds: int, connections: int) -> list[str]:
    """The arguments with which `wrk` sends the request of a case over and over.

    Args:
        case: The request.
        url: Where the server is.
        folder: Where `wrk` will be started; it gets the script that makes a POST.
        seconds: How long.
        connections: How many connections, all kept open.
    """
    arguments = ["--threads", "1", "--connections", str(connections), "--duration", f"{seconds}s", "--latency"]
    for name, value in case.scope()["headers"]:
        # `wrk` adds a `Host` of its own where it does not find this very spelling.
        arguments += ["--header", f"{name.decode().title()}: {value.decode()}"]
    if case.body:
        (folder / "body").write_bytes(case.body)
        (folder / "post.lua").write_text('wrk.method = "POST"\nwrk.body = io.open("body", "rb"):read("*a")\n')
        arguments += ["--script", "post.lua"]
    return [*arguments, url + case.path]


def parse_wrk(text: str) -> Load:
    """Read the report of `wrk --latency`."""
    requests = _number(r"(\d+) requests in ", text)
    p50, p99 = (_milliseconds(f"{percent}%", text) for percent in (50, 99))
    errors = [f"Socket errors: {found}" for found in re.findall(r"Socket errors: (.+)", text)]
    errors += [f"{found} answers other than 2xx" for found in re.findall(r"Non-2xx or 3xx responses: (\d+)", text)]
    return Load(int(requests), _number(r"Requests/sec:\s+([\d.]+)", text), p50, p99, _with_none(requests, errors))


def parse_ab(text: str) -> Load:
    """Read the report of `ab`."""
    requests = _number(r"Complete requests:\s+(\d+)", text)
    p50, p99 = (_number(rf"^\s*{percent}%\s+(\d+)", text) for percent in (50, 99))
    labels = {
        "Failed requests": "failed requests",
        "Write errors": "write errors",
        "Non-2xx responses": "answers other than 2xx",
    }
    counts = {name: re.search(rf"^{label}:\s+(\d+)", text, re.MULTILINE) for label, name in labels.items()}
    errors = [f"{found[1]} {name}" for name, found in counts.items() if found is not None and int(found[1])]
    per_second = _number(r"Requests per second:\s+([\d.]+)", text)
    return Load(int(requests), per_second, p50, p99, _with_none(requests, errors))


def _with_none(requests: float, errors: list[str]) -> tuple[str, ...]:
    return tuple(errors if requests else [*errors, "no answers"])


def _milliseconds(label: str, text: str) -> float:
    found = re.search(rf"^\s*{label}\s+([\d.]+)(us|ms|s|m)\b", text, re.MULTILINE)
    if found is None:
        raise SystemExit(f"no {label} in this:\n{text}")
    return float(found[1]) * _MILLISECONDS[found[2]]


def _number(pattern: str, text: str) -> float:
    found = re.search(pattern, text, re.MULTILINE)
    if found is None:
        raise SystemExit(f"no match of {pattern} in this:\n{text}")
    return float(found[1])


_PARSERS: dict[str, Callable[[str], Load]] = {"wrk": parse_wrk, "ab": parse_ab}
