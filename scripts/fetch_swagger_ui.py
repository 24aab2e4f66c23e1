"""Copies the pinned Swagger UI into `patera/openapi/assets`; run it to move to another version.

    python scripts/fetch_swagger_ui.py

It asks the npm client for the package, so the client's own configuration says where from. To move,
change `VERSION`, run it, compare the checksum it reports with the one the project publishes, and
write that into `CHECKSUM`.
"""

from __future__ import annotations

import base64
import hashlib
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

VERSION = "5.35.0"
CHECKSUM = "sha512-U06rpMtW9V3XPGOBeamTUSr0Z09jMX4IJuANpE/EZbAhw0G8CgwrzU4YmXkn/h0wCDNsXdGarTNNHC3sU8yVUQ=="
FILES = ("swagger-ui-bundle.js", "swagger-ui-bundle.js.LICENSE.txt", "swagger-ui.css", "LICENSE", "NOTICE")
ASSETS = Path(__file__).resolve().parent.parent / "patera" / "openapi" / "assets"


def main() -> int:
    """Download, check and copy; return the exit code."""
    with tempfile.TemporaryDirectory() as folder:
        archive = download(Path(folder))
        found = checksum(archive)
        if found != CHECKSUM:
            print(f"swagger-ui-dist {VERSION}: expected {CHECKSUM}, got {found}", file=sys.stderr)
            return 1
        for name, size in copy(archive, ASSETS):
            print(f"{name}: {size} bytes")
    return 0


def download(folder: Path) -> Path:
    """Let npm put the package's archive into `folder`."""
    command = ["npm", "pack", "--silent", f"swagger-ui-dist@{VERSION}"]
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)
    return folder / f"swagger-ui-dist-{VERSION}.tgz"


def checksum(archive: Path) -> str:
    """Return the archive's SHA-512 in the form that npm's lock files use."""
    digest = hashlib.sha512(archive.read_bytes()).digest()
    return f"sha512-{base64.b64encode(digest).decode()}"


def copy(archive: Path, target: Path) -> list[tuple[str, int]]:
    """Copy the files that the page needs and return their names and sizes in bytes."""
    target.mkdir(parents=True, exist_ok=True)
    copied = []
    with tarfile.open(archive) as package:
        for name in FILES:
            member = package.extractfile(f"package/{name}")
            if member is None:
                raise LookupError(f"swagger-ui-dist {VERSION} has no file {name}")
            data = member.read()
            (target / name).write_bytes(data)
            copied.append((name, len(data)))
    return copied


if __name__ == "__main__":
    sys.exit(main())
