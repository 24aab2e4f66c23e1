"""Whatever stands in headers that name host and client: no server error, and no other host than the one let in."""

import json
from collections.abc import Callable
from ipaddress import ip_address

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from patera import Patera
from patera._compiler.hosts import HostRule
from patera._compiler.proxies import TrustedProxies
from tests.security.site import Site, raw_scope, send_raw

MakeApp = Callable[..., Patera]

stable = settings(
    derandomize=True, database=None, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
latin = st.text(st.characters(max_codepoint=255), max_size=40)
hosts = latin | st.from_regex(r"[a-z.@:/\[\]%#-]{0,12}(ok\.example)?[a-z.@:/\[\]%#-]{0,12}", fullmatch=True)
addresses = st.ip_addresses().map(str) | latin
chains = st.lists(addresses, max_size=6).map(", ".join)


@settings(stable, max_examples=300)
@given(host=hosts)
def test_rule_lets_in_the_listed_names_alone(host: str) -> None:
    accepted = HostRule(["ok.example", "*.ok.example"]).accepts(host.encode("latin-1"))
    name = host.partition(":")[0].lower().removesuffix(".")
    if accepted:
        assert name == "ok.example" or name.endswith(".ok.example")
        assert not set(host) & set("@/\\#?% ")


@settings(stable, max_examples=100)
@given(host=hosts)
async def test_url_of_a_request_has_the_host_that_was_let_in(make_app: MakeApp, host: str) -> None:
    status, _, body = await send_raw(make_app(Site, DEBUG=False), [("host", host)])
    assert status in (200, 400)
    if status == 200:
        assert json.loads(body)["url"] == f"http://{host}/site/"


@settings(stable, max_examples=300)
@given(chain=chains, scheme=latin, host=latin)
def test_forwarded_headers_of_any_bytes_leave_a_valid_scope(chain: str, scheme: str, host: str) -> None:
    headers = [("host", "a"), ("x-forwarded-for", chain), ("x-forwarded-proto", scheme), ("x-forwarded-host", host)]
    for entries in (["10.0.0.0/8", "::/1"], ["*"]):
        scope = raw_scope(headers, client=("10.0.0.1", 5))
        TrustedProxies(entries).apply(scope)
        ip_address(scope["client"][0])
        assert scope["scheme"] in ("http", "https")
        assert len([name for name, _ in scope["headers"] if name == b"host"]) == 1


@settings(stable, max_examples=200)
@given(invented=chains, client=st.ip_addresses(v=4, network="198.51.100.0/24").map(str))
def test_what_a_client_writes_never_changes_its_address(invented: str, client: str) -> None:
    scope = raw_scope([("x-forwarded-for", f"{invented}, {client}, 10.9.9.9")], client=("10.0.0.1", 5))
    TrustedProxies(["10.0.0.0/8"]).apply(scope)
    assert scope["client"] == (client, 0)
