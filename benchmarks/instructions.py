"""How many processor instructions one request takes, counted by valgrind: no clock, and hardly any noise.

`python -m benchmarks.instructions NAME ...` is what runs inside valgrind: it calls `getppid()` before and after the
measured requests of each endpoint, where valgrind writes down what it has counted so far.
"""

import asyncio
import gc
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

WARM_UP, COUNT = 100, 200
BASELINE = "raw"
_TOTAL = re.compile(r"^(?:totals|summary): (\d+)", re.MULTILINE)


def is_available() -> bool:
    return shutil.which("valgrind") is not None


def count_instructions(names: Sequence[str]) -> dict[str, float]:
    """Return the instructions of each case, as a multiple of what raw ASGI takes in the same run."""
    found = {variant: _run(variant, names) for variant in (BASELINE, "patera")}
    return {name: round(found["patera"][name] / found[BASELINE][name], 2) for name in names}


def _run(variant: str, names: Sequence[str]) -> dict[str, float]:
    print(f"valgrind counts the instructions of {variant}, which takes a minute", file=sys.stderr, flush=True)
    with tempfile.TemporaryDirectory() as folder:
        command = ["valgrind", "--tool=callgrind", "--dump-before=getppid", f"--callgrind-out-file={folder}/out"]
        command += [sys.executable, "-m", "benchmarks.instructions", variant, *names]
        subprocess.run(command, env={**os.environ, "PYTHONHASHSEED": "0"}, check=True, capture_output=True)
        # A part for each call of getppid(), the first with all that was before it.
        totals = [_total(Path(folder, f"out.{part}")) for part in range(1, 2 * len(names) + 1)]
    return {name: measured / COUNT for name, measured in zip(names, totals[1::2], strict=True)}


def _total(path: Path) -> int:
    found = _TOTAL.search(path.read_text())
    if found is None:
        raise SystemExit(f"valgrind wrote no total into {path.name}")
    return int(found[1])


def main(variant: str, *names: str) -> None:
    from benchmarks.cases import CASES
    from benchmarks.driver import Bench, spend
    from benchmarks.variants import VARIANTS

    cases = {case.name: case for case in CASES}
    with Bench() as bench:
        apps = [bench.start(VARIANTS[variant], cases[name].application) for name in names]
        gc.freeze()
        gc.disable()
        for name, app in zip(names, apps, strict=True):
            asyncio.run(spend(app, cases[name], WARM_UP))
            with asyncio.Runner() as runner:
                runner.run(asyncio.sleep(0))
                os.getppid()
                runner.run(spend(app, cases[name], COUNT))
                os.getppid()


if __name__ == "__main__":
    main(*sys.argv[1:])
