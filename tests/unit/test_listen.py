"""Where a program listens, as its command line says it."""

from __future__ import annotations

import pytest

from lvs_common.listen import Listen, parse_listen


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        (":9567", Listen(None, 9567)),
        ("127.0.0.1:1", Listen("127.0.0.1", 1)),
        ("[::]:65535", Listen("::", 65535)),
        ("[2001:db8:0::1]:80", Listen("2001:db8::1", 80)),
    ],
)
def test_an_address_and_a_port_are_read(text: str, meant: Listen):
    assert parse_listen(text) == meant


@pytest.mark.parametrize(
    "text", ["", "9567", ":", ":0", ":65536", ":http", "localhost:80", "::1:80", "[127.0.0.1]:80", "[]:80", "1.2.3.4"]
)
def test_what_is_none_is_refused_with_the_text_and_what_is_allowed(text: str):
    with pytest.raises(ValueError, match=r"address|ADDRESS") as refused:
        parse_listen(text)

    assert repr(text) in str(refused.value)


@pytest.mark.parametrize("text", [":9567", "127.0.0.1:1", "[::1]:80"])
def test_it_is_written_as_it_is_read(text: str):
    assert str(parse_listen(text)) == text
