"""What `patera bench` prints: a table, or JSON for other programs."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from typing import Any

from .clock import Comparison
from .routes import Selected
from .run import Outcome

HEAD = ("route", "twin us", "Patera us", "overhead us", "overhead", "95 % interval")
NOT_KEPT = "The twin is not kept; --output FILE keeps it."
LEGEND = "CPU time of one request in this process, medians; overhead is Patera's time less that of the twin."


def as_text(outcome: Outcome) -> Iterator[str]:
    """Return the lines of the table, and below it what was left out and where the twin is kept."""
    if outcome.measured:
        yield from _table([HEAD, *(_row(each, compared) for each, compared in outcome.measured)])
        yield from ("", LEGEND)
    for each, reason in outcome.left_out:
        yield f"Left out: {each.label}: {reason}"
    yield f"The twin is {outcome.twin}" if outcome.twin else NOT_KEPT


def as_json(outcome: Outcome) -> dict[str, Any]:
    """Return the same as JSON data."""
    return {
        "python": platform.python_version(),
        "twin": str(outcome.twin) if outcome.twin else None,
        "routes": [_entry(each, compared) for each, compared in outcome.measured],
        "left_out": [{"route": each.label, "reason": reason} for each, reason in outcome.left_out],
    }


def _table(rows: list[tuple[str, ...]]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for label, *cells in rows:
        numbers = (cell.rjust(width) for cell, width in zip(cells, widths[1:], strict=True))
        yield "  ".join([label.ljust(widths[0]), *numbers])


def _row(selected: Selected, compared: Comparison) -> tuple[str, ...]:
    low, high = compared.interval
    return (
        selected.label,
        f"{compared.median_twin:.1f}",
        f"{compared.median_patera:.1f}",
        f"{compared.overhead:+.1f}",
        f"{compared.percent:+.1f} %",
        f"{low:+.1f} % to {high:+.1f} %",
    )


def _entry(selected: Selected, compared: Comparison) -> dict[str, Any]:
    return {
        "route": selected.label,
        "endpoint": selected.plan.name,
        "twin_us": round(compared.median_twin, 3),
        "patera_us": round(compared.median_patera, 3),
        "overhead_us": round(compared.overhead, 3),
        "overhead_percent": round(compared.percent, 2),
        "interval_percent": [round(bound, 2) for bound in compared.interval],
    }
