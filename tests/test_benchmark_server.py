"""`python -m benchmarks server`: its servers give the right answers, and it reads what `wrk` and `ab` print."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from benchmarks import bursts
from benchmarks.bursts import Samples
from benchmarks.load import Load, parse_ab, parse_wrk
from benchmarks.report import Report
from benchmarks.server import SERVED, Settings, check, measure_case, serve
from benchmarks.servers import SERVERS, UVICORN, Served, is_listening
from benchmarks.variants import VARIANTS

CASES = {case.name: case for case in SERVED}

#: What wrk 4.1.0 printed for a server in good order.
WRK = """\
Running 1s test @ http://127.0.0.1:41079/json
  1 threads and 16 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency   587.96us  192.53us   4.78ms   90.26%
    Req/Sec    27.52k   744.17    28.19k    80.00%
  Latency Distribution
     50%  527.00us
     75%  582.00us
     90%  720.00us
     99%    1.23ms
  27330 requests in 1.00s, 8.80MB read
Requests/sec:  27322.65
Transfer/sec:      8.80MB
"""

#: The same for one that answered 500 now and then, and was killed on the way.
WRK_FAILED = """\
Running 2s test @ http://127.0.0.1:8393/
  1 threads and 16 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     1.30ms  778.68us   8.11ms   80.30%
    Req/Sec    11.91k     1.64k   14.60k    70.00%
  Latency Distribution
     50%    1.10ms
     75%    1.51ms
     90%    2.19ms
     99%    4.38ms
  11851 requests in 2.00s, 1.24MB read
  Socket errors: connect 0, read 29, write 40701, timeout 0
  Non-2xx or 3xx responses: 2709
Requests/sec:   5921.59
Transfer/sec:    634.79KB
"""

#: What ab 2.3 printed, from its figures on.
AB = """\
Concurrency Level:      200
Time taken for tests:   0.236 seconds
Complete requests:      2000
Failed requests:        0
Keep-Alive requests:    0
Total transferred:      714000 bytes
HTML transferred:       54000 bytes
Requests per second:    8464.25 [#/sec] (mean)
Time per request:       23.629 [ms] (mean)
Time per request:       0.118 [ms] (mean, across all concurrent requests)
Transfer rate:          2950.91 [Kbytes/sec] received

Connection Times (ms)
              min  mean[+/-sd] median   max
Connect:        0    1   1.3      0       5
Processing:     2   21   5.6     24      28
Waiting:        0   21   6.4     24      28
Total:          6   22   4.5     24      28

Percentage of the requests served within a certain time (ms)
  50%     24
  66%     24
  75%     24
  80%     24
  90%     25
  95%     26
  98%     26
  99%     27
 100%     28 (longest request)
"""

#: The same for a server that sent bodies of different lengths, and 500 now and then.
AB_FAILED = """\
Concurrency Level:      20
Time taken for tests:   0.041 seconds
Complete requests:      200
Failed requests:        143
   (Connect: 0, Receive: 0, Length: 143, Exceptions: 0)
Non-2xx responses:      46
Keep-Alive requests:    0
Total transferred:      25183 bytes
HTML transferred:       933 bytes
Requests per second:    4905.21 [#/sec] (mean)
Time per request:       4.077 [ms] (mean)
Time per request:       0.204 [ms] (mean, across all concurrent requests)
Transfer rate:          603.16 [Kbytes/sec] received

Percentage of the requests served within a certain time (ms)
  50%      3
  66%      4
  75%      4
  80%      4
  90%      9
  95%      9
  98%      9
  99%      9
 100%      9 (longest request)
"""


def test_wrk_output_in_good_order_is_read() -> None:
    assert parse_wrk(WRK) == Load(27330, 27322.65, 0.527, 1.23)


def test_wrk_output_with_errors_names_them() -> None:
    found = parse_wrk(WRK_FAILED)
    assert found.errors == (
        "Socket errors: connect 0, read 29, write 40701, timeout 0",
        "2709 answers other than 2xx",
    )


def test_ab_output_in_good_order_is_read() -> None:
    assert parse_ab(AB) == Load(2000, 8464.25, 24.0, 27.0)


def test_ab_output_with_errors_names_them() -> None:
    assert parse_ab(AB_FAILED).errors == ("143 failed requests", "46 answers other than 2xx")


def test_output_of_another_program_is_refused() -> None:
    with pytest.raises(SystemExit, match="requests in"):
        parse_wrk("wrk: no such option")


def test_failed_load_is_what_its_row_says(capsys: pytest.CaptureFixture[str]) -> None:
    samples = {"patera": _samples(parse_wrk(WRK)), "other": _samples(parse_wrk(WRK_FAILED))}
    bursts.add_table(Report("server", "Test", is_saved=False), samples, "patera")
    other = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("| other"))
    assert "FAILED: Socket errors: connect 0, read 29, write 40701, timeout 0" in other
    assert "5,92" not in other


@pytest.mark.parametrize("variant", ["raw", "patera"])
@pytest.mark.parametrize("server", SERVERS)
def test_server_asked_over_http_answers_right_and_stops(server: str, variant: str) -> None:
    with _served(server, variant) as running:
        check(variant, running, CASES["json"])
        check(variant, running, CASES["post"])
        assert running.cpu_seconds > 0
    assert not is_listening(running.port)


def test_server_is_stopped_when_interrupted() -> None:
    running = serve(UVICORN, VARIANTS["raw"], CASES["json"])
    with pytest.raises(KeyboardInterrupt):
        _interrupt(running)
    assert not is_listening(running.port)


def test_server_that_does_not_start_says_why() -> None:
    broken = Served(UVICORN, "benchmarks.factories:no_such_function", environment={})
    with broken, pytest.raises(SystemExit, match='"no_such_function" not found in module'):
        broken.wait()


@pytest.mark.skipif(shutil.which("wrk") is None, reason="the Debian package wrk is not installed")
def test_case_measured_has_requests_and_cpu_time() -> None:
    samples = measure_case(UVICORN, CASES["post"], [VARIANTS["raw"]], Settings(rounds=1, seconds=1, connections=4))
    assert samples["raw"].errors == []
    assert samples["raw"].per_second[0] > 0
    assert samples["raw"].cpu[0] > 0


@contextmanager
def _served(server: str, variant: str) -> Iterator[Served]:
    chosen = SERVERS[server]
    if chosen.missing:
        pytest.skip(f"not installed: {', '.join(chosen.missing)}")
    with serve(chosen, VARIANTS[variant], CASES["json"]) as running:
        yield running


def _interrupt(server: Served) -> None:
    with server:
        server.wait()
        raise KeyboardInterrupt


def _samples(load: Load) -> Samples:
    samples = Samples(errors=list(load.errors))
    samples.add(load, cpu_seconds=1.0)
    return samples
