"""What a request for a socket must look like."""

import pytest

from realtime.handshake import channel_names, deflate_terms, is_own_origin, refusal_of_headers, resume_of

KEY = "dGhlIHNhbXBsZSBub25jZQ=="


@pytest.mark.parametrize(
    "origin, scheme, host",
    [
        ("http://plant:8050", "http", "plant:8050"),
        ("https://plant", "https", "plant"),
        ("https://plant", "https", "plant:443"),
        ("http://plant:80", "http", "plant"),
        ("https://plant", "http", "plant"),  # TLS ends at a proxy that does not say so
        ("http://PLANT:8050", "http", "plant:8050"),
        ("http://[::1]:8050", "http", "[::1]:8050"),
    ],
)
def test_our_own_pages_are_let_in(origin: str, scheme: str, host: str) -> None:
    assert is_own_origin(origin, scheme, host)


@pytest.mark.parametrize(
    "origin, scheme, host",
    [
        ("http://evil:8050", "http", "plant:8050"),
        ("http://plant:8051", "http", "plant:8050"),
        ("http://plant", "https", "plant"),
        ("http://plant.evil", "http", "plant"),
        ("http://evil-plant", "http", "plant"),
        ("http://plant@evil", "http", "plant"),
        ("null", "http", "plant"),
        ("", "http", "plant"),
        ("plant", "http", "plant"),
        ("file://plant", "http", "plant"),
        ("http://", "http", ""),
        ("http://[plant", "http", "plant"),
        ("http://plant:port", "http", "plant"),
        ("http://plant:99999", "http", "plant"),
        ("chrome-extension://plant", "http", "plant"),
    ],
)
def test_foreign_pages_are_not(origin: str, scheme: str, host: str) -> None:
    assert not is_own_origin(origin, scheme, host)


@pytest.mark.parametrize(
    "version, key, status",
    [
        (None, KEY, 400),
        ("8", KEY, 426),
        ("", KEY, 426),
        ("thirteen", KEY, 426),
        ("13", None, 400),
        ("13", "short", 400),
        ("13", "not base64 at all!!!!!!!", 400),
        ("13", "ключ", 400),
    ],
)
def test_a_bad_upgrade_is_refused_with_a_sentence(version: str | None, key: str | None, status: int) -> None:
    refusal = refusal_of_headers(version, key)
    assert refusal is not None and refusal.status == status and refusal.sentence.endswith(".")


def test_a_good_upgrade_is_not_refused() -> None:
    assert refusal_of_headers("13", KEY) is None


@pytest.mark.parametrize(
    "offers, agreed",
    [
        ("permessage-deflate; client_max_window_bits", True),  # Chromium
        ("permessage-deflate", True),  # Firefox
        ("x-webkit-deflate-frame, permessage-deflate", True),
        ("permessage-deflate; server_max_window_bits=15", True),
        ("permessage-deflate; server_max_window_bits=10", False),
        ("permessage-deflate; server_max_window_bits", False),
        ("permessage-deflate; server_max_window_bits=10, permessage-deflate", True),
        ("permessage-bzip2", False),
        ("", False),
        (";;,,", False),
    ],
)
def test_compression_is_agreed_only_on_shared_terms(offers: str, agreed: bool) -> None:
    assert bool(deflate_terms(offers)) is agreed
    if agreed:
        assert "server_no_context_takeover" in deflate_terms(offers)


def test_channels_are_named_once_and_in_order() -> None:
    assert channel_names("readings,gateways,,readings") == ("readings", "gateways")
    assert channel_names("") == ()


def test_a_client_says_where_it_had_got_to() -> None:
    resume = resume_of({"epoch": "e", "offsets": "12,3"}, ["readings", "gateways"])
    assert resume is not None
    assert resume.epoch == "e" and resume.offsets == {"readings": 12, "gateways": 3}


@pytest.mark.parametrize("offsets", ["", "12", "12,3,4", "12,x", "12,-3", "12,3.0", "12,٣", "12," + "9" * 5000])
def test_offsets_without_sense_are_no_place(offsets: str) -> None:
    assert resume_of({"epoch": "e", "offsets": offsets}, ["readings", "gateways"]) is None


def test_without_an_epoch_a_client_is_new() -> None:
    assert resume_of({"offsets": "12,3"}, ["readings", "gateways"]) is None
