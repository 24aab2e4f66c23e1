"""Table A: bad requests, and the answer that each must have."""

from patera import Patera
from tests.hostile.wire import Wire, call, ids, problems
import pytest

JSON = ("content-type", "application/json")

def posts(row, target, body, status, *headers):
    return Wire(row, "POST", target, headers or (JSON,), body, status)

ROWS = []
for t in ["json","model","sync","any","list"]:
    T="/bodies/"+t
    ROWS += [posts(f"A1 {t} {b!r}", T, b, 400) for b in [b"", b"{", b'{"a":', b"nope", b'{"name":"x"} x']]
    ROWS += [posts(f"A2 {t}", T, b'{"name": "\xff"}', 400)]
    ROWS += [posts(f"A3 {t} {n}", T, b, 400) for n,b in [("open", b"["*100000),("closed", b"["*100000+b"]"*100000),("obj", b'{"note":'*100000)]]
    ROWS += [posts(f"A4 {t} {n}", T, b'{"name":"x","note":%s,"amount":%s}' % (n,n), 400) for n in (b"NaN",b"Infinity",b"-Infinity")]
    ROWS += [posts(f"A4b {t} {n}", T, b'{"name":"x","extra":%s}' % (n,), 400) for n in (b"NaN",b"Infinity",b"-Infinity")]
    ROWS += [posts(f"A5 {t} {f}", T, b'{"name":"x","%s":%s}' % (f,b"9"*5000), 400) for f in (b"count",b"note",b"extra",b"amount")]
    ROWS += [posts(f"A6 {t} {f}", T, b'{"name":"x","%s":"\\ud800"}' % (f,), 400) for f in (b"count",b"note",b"extra",b"name")]

@pytest.mark.parametrize("wire", ROWS, ids=ids(ROWS))
async def test_x(shared: Patera, wire):
    answer = await call(shared, wire)
    assert not problems(wire, answer), answer.body[:300]
