"""Signed text: read back for its purpose with its keys, refused otherwise."""

import pytest
from itsdangerous import BadSignature, SignatureExpired

from patera.signing import is_canonical, signer_of, timed_serializer_of

OLD, NEW = "mJ2vQ8xT4bN7cK1wR9yH5dL3fP6gS0zA", "bT7xQ2vN9mK4wR8yH3dL6fP1gS5zA0cJ"


def test_value_comes_back() -> None:
    serializer = timed_serializer_of([NEW], "shop")
    assert serializer.loads(serializer.dumps({"user": 7})) == {"user": 7}


def test_first_key_signs_and_all_verify() -> None:
    old, both, new = (timed_serializer_of(keys, "shop") for keys in ([OLD], [NEW, OLD], [NEW]))
    assert both.loads(old.dumps(7)) == 7
    assert new.loads(both.dumps(7)) == 7
    with pytest.raises(BadSignature):
        old.loads(both.dumps(7))


def test_text_of_one_purpose_verifies_for_no_other() -> None:
    with pytest.raises(BadSignature):
        timed_serializer_of([NEW], "login").loads(timed_serializer_of([NEW], "shop").dumps(7))
    with pytest.raises(BadSignature):
        signer_of([NEW], "login").unsign(signer_of([NEW], "shop").sign("7"))


def test_text_that_is_too_old_is_refused() -> None:
    serializer = timed_serializer_of([NEW], "shop")
    with pytest.raises(SignatureExpired):
        serializer.loads(serializer.dumps(7), max_age=-1)


def test_text_is_signed_as_it_is() -> None:
    signed = signer_of([OLD], "shop").sign("7").decode()
    assert signed.startswith("7.")
    assert signer_of([NEW, OLD], "shop").unsign(signed) == b"7"


@pytest.mark.parametrize(
    ("text", "is_so"),
    [("7.AA", True), *((text, False) for text in ("7.AB", "7.A", "7.AA==", "7.A+", "7.é", "é.AA", "\ud800.AA"))],
)
def test_signature_has_one_spelling(text: str, is_so: bool) -> None:
    assert is_canonical(text) is is_so
