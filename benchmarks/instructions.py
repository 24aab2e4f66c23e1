"""How many processor instructions one request takes, counted by valgrind: no clock, and hardly any noise.

`python -m benchmarks.instructions VARIANT NAME ...` is what runs inside valgrind. Importing and building would take a
minute there, so it is told to begin after that. `getppid()` is called before and after the measured requests of each
endpoint, where valgrind writes down what it has counted so far.
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
from concurrent.futures import ThreadPoolExecutor
from itertools import repeat
from pathlib import Path

WARM_UP, COUNT = 100, 200
BASELINE = "raw"
CONTROL = "callgrind_control"
_TOTAL = re.compile(r"^(?:totals|summary): (\d+)", re.MULTILINE)


def is_available() -> bool:
    return shutil.which("valgrind") is not None and shutil.which(CONTROL) is not None


def count_instructions(names: Sequence[str]) -> dict[str, float]:
    """Return the instructions of each case, as a multiple of what raw ASGI takes in the same run."""
    print("valgrind counts instructions, which takes some seconds", file=sys.stderr, flush=True)
    variants = (BASELINE, "patera")
    with ThreadPoolExecutor() as pool:
        found = dict(zip(variants, pool.map(_run, variants, repeat(names)), strict=True))
    return {name: round(found["patera"][name] / found[BASELINE][name], 2) for name in names}


def _run(variant: str, names: Sequence[str]) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        command = ["valgrind", "--tool=callgrind", "--instr-atstart=no", "--dump-before=getppid"]
        command += [f"--callgrind-out-file={folder}/out"]
        command += [sys.executable, "-m", "benchmarks.instructions", variant, *names]
        environment = {**os.environ, "PYTHONHASHSEED": "0"}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"valgrind cannot count the instructions of {variant}:\n{done.stderr}")
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
        needed = dict.fromkeys(cases[name].application for name in names)
        started = {each: bench.start(VARIANTS[variant], each) for each in needed}
        subprocess.run([CONTROL, "--instr=on", str(os.getpid())], check=True)
        gc.freeze()
        gc.disable()
        for name in names:
            app = started[cases[name].application]
            asyncio.run(spend(app, cases[name], WARM_UP))
            with asyncio.Runner() as runner:
                runner.run(asyncio.sleep(0))
                os.getppid()
                runner.run(spend(app, cases[name], COUNT))
                os.getppid()


if __name__ == "__main__":
    main(*sys.argv[1:])
