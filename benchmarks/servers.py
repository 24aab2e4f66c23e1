"""Servers in processes of their own: on a free port, on one core, and stopped whatever happens."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import httpx

from benchmarks.cases import Answer, Case
from benchmarks.cores import pinned_to

HOST = "127.0.0.1"
ROOT = Path(__file__).parent.parent
#: Seconds that a server has to start, and to stop. All begin on the same core at the same time.
PATIENCE, GRACE = 60, 5


@dataclass(frozen=True)
class Server:
    """A server program.

    Args:
        name: Its package.
        needs: What has to be installed for it beside that.
        options: Its settings, as one writes them in a shell.
    """

    name: str
    needs: tuple[str, ...]
    options: str

    @property
    def missing(self) -> list[str]:
        """What is not installed."""
        return [package for package in (self.name, *self.needs) if find_spec(package) is None]


UVICORN = Server(
    "uvicorn",
    ("httptools", "uvloop"),
    "--factory --workers 1 --http httptools --loop uvloop --log-level warning --no-access-log",
)
GRANIAN = Server(
    "granian",
    ("uvloop",),
    "--factory --workers 1 --interface asgi --loop uvloop --log-level warning --no-access-log",
)
SERVERS = {server.name: server for server in (UVICORN, GRANIAN)}


class Served:
    """An application behind a server; a context manager that starts it and stops it again.

    Args:
        server: The program.
        application: The import string of a function that builds the application.
        environment: Variables of the environment beside the present ones.
        core: The only processor core to use; None for any.
        python: The interpreter.
        folder: Where it is started, and imports from.
    """

    def __init__(
        self,
        server: Server,
        application: str,
        *,
        environment: Mapping[str, str],
        core: int | None = None,
        python: str = sys.executable,
        folder: Path = ROOT,
    ) -> None:
        self.port = free_port()
        self.url = f"http://{HOST}:{self.port}"
        self._folder = folder
        self._environment = {**os.environ, **environment}
        self._command = [python, "-m", server.name, application, "--host", HOST, "--port", str(self.port)]
        self._command += server.options.split()
        self._core = core

    def __enter__(self) -> "Served":
        self._output = tempfile.TemporaryFile()
        # A session of its own: Ctrl-C reaches this process alone, and all that the server starts can be found.
        with pinned_to(self._core):
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=self._output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                cwd=self._folder,
                env=self._environment,
            )
        return self

    def __exit__(self, *error: object) -> None:
        self._process.terminate()
        try:
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(GRACE)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._output.close()

    def wait(self) -> None:
        """Wait until it listens.

        Raises:
            SystemExit: It ended, or it took too long; the message has its output.
        """
        deadline = time.monotonic() + PATIENCE
        while not is_listening(self.port):
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"a server does not start: {' '.join(self._command)}\n{self.output}")
            time.sleep(0.05)

    def answer(self, case: Case) -> Answer:
        """Send the request of a case and return the answer."""
        scope = case.scope()
        got = httpx.request(scope["method"], self.url + case.path, headers=scope["headers"], content=case.body)
        return Answer(got.status_code, dict(got.headers), got.content)

    @property
    def pid(self) -> int:
        """Its process, which of uvicorn with one worker is the one that answers."""
        return self._process.pid

    @property
    def cpu_seconds(self) -> float:
        """The CPU time that all its processes and threads have used, for users and in the kernel."""
        if self._process.poll() is not None:
            raise SystemExit(f"a server ended: {' '.join(self._command)}\n{self.output}")
        return session_cpu_seconds(self._process.pid)

    @property
    def output(self) -> str:
        """What it wrote to its terminal."""
        size = os.fstat(self._output.fileno()).st_size
        return os.pread(self._output.fileno(), size, 0).decode(errors="replace")


def session_cpu_seconds(session: int) -> float:
    """The CPU time of all running processes of a session, as `/proc/PID/stat` counts it (proc(5))."""
    ticks = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        # Another process may end between the listing and the reading.
        with suppress(OSError):
            # Behind the name, which may contain anything, stands field 3.
            fields = stat.read_text().rpartition(")")[2].split()
            if int(fields[6 - 3]) == session:
                ticks += int(fields[14 - 3]) + int(fields[15 - 3])
    return ticks / os.sysconf("SC_CLK_TCK")


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind((HOST, 0))
        port: int = listener.getsockname()[1]
        return port


def is_listening(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex((HOST, port)) == 0
