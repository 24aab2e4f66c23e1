"""SVG plots of results, where matplotlib is installed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

Point = tuple[float, float]

OWN, OTHERS, BASELINES = "#c2410c", "#94a3b8", "#334155"
COLUMNS = 3


@dataclass(frozen=True)
class Axes:
    """What stands on the axes of a plot with lines."""

    title: str
    x: str
    y: str
    is_log: bool = False


def bars(path: Path, title: str, unit: str, panels: Mapping[str, Mapping[str, float]]) -> bool:
    """Draw a panel of horizontal bars for each key; return whether matplotlib is there to do it."""
    pyplot = _pyplot()
    if pyplot is None:
        return False
    rows = -(-len(panels) // COLUMNS)
    longest = max(map(len, panels.values()))
    figure, axes = pyplot.subplots(
        rows, min(COLUMNS, len(panels)), figsize=(12, rows * (0.22 * longest + 0.9)), squeeze=False
    )
    for place in axes.flat[len(panels) :]:
        place.set_visible(False)
    for place, (name, values) in zip(axes.flat, panels.items(), strict=False):
        _draw_bars(place, name, values)
    figure.suptitle(f"{title} ({unit})")
    _save(pyplot, figure, path)
    return True


def lines(path: Path, axes: Axes, series: Mapping[str, Sequence[Point]]) -> bool:
    """Draw a line for each key; return whether matplotlib is there to do it."""
    pyplot = _pyplot()
    if pyplot is None:
        return False
    figure, place = pyplot.subplots(figsize=(8, 4.5))
    for name, points in series.items():
        xs, ys = zip(*points, strict=True)
        place.plot(xs, ys, marker="o", markersize=3, label=name, color=OWN if name == "patera" else None)
    if axes.is_log:
        place.set_xscale("log")
        place.set_yscale("log")
    else:
        place.set_ylim(bottom=0)
    place.set(title=axes.title, xlabel=axes.x, ylabel=axes.y)
    place.grid(visible=True, alpha=0.3)
    place.legend()
    _save(pyplot, figure, path)
    return True


def _draw_bars(place: Any, name: str, values: Mapping[str, float]) -> None:
    ordered = sorted(values.items(), key=lambda item: -item[1])
    colours = [
        OWN if key == "patera" else BASELINES if key in ("raw", "starlette", "tuned") else OTHERS for key in values
    ]
    by_name = dict(zip(values, colours, strict=True))
    drawn = place.barh([key for key, _ in ordered], [value for _, value in ordered])
    for bar, (key, _) in zip(drawn, ordered, strict=True):
        bar.set_color(by_name[key])
    place.bar_label(drawn, fmt="%.3g", padding=2, fontsize=7)
    place.set_title(name, fontsize=10)
    place.tick_params(labelsize=8)
    place.margins(x=0.15)


def _pyplot() -> Any:
    if find_spec("matplotlib") is None:
        return None
    import matplotlib

    matplotlib.use("svg")
    # The same numbers make the same file.
    matplotlib.rcParams["svg.hashsalt"] = "patera"
    from matplotlib import pyplot

    return pyplot


def _save(pyplot: Any, figure: Any, path: Path) -> None:
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None, "Creator": None})
    pyplot.close(figure)
