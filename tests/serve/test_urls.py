"""Which addresses may be fetched."""

from __future__ import annotations

import pytest

from bshm.errors import BshmError
from bshm.serve import urls

INNER = [
    "127.0.0.1",
    "127.8.9.1",
    "0.0.0.0",
    "10.1.2.3",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",  # where clouds keep their secrets
    "100.64.0.1",  # shared by carriers
    "192.0.2.1",
    "198.18.0.1",
    "224.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "fe80::1",
    "fc00::1",
    "ff02::1",
    "2001:db8::1",
    "::ffff:127.0.0.1",  # IPv4 in IPv6
    "::ffff:169.254.169.254",
    "::127.0.0.1",
    "2002:7f00:1::",  # 6to4 of 127.0.0.1
    "2002:c0a8:101::1",
    "64:ff9b::7f00:1",  # NAT64 of 127.0.0.1
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::a00:1",
    "64:ff9b:1:a00:1:800::101:101",  # NAT64 of a network's own: where 10.0.0.1 is in it, it knows
    "::ffff:0:10.0.0.1",  # translated
    "2001:0:7f00:1::",  # Teredo through 127.0.0.1
    "no address",
    "",
]


@pytest.mark.parametrize("ip", INNER)
def test_inner_addresses_are_not_public(ip):
    assert not urls.is_public(ip)


@pytest.mark.parametrize("ip", ["1.1.1.1", "93.184.216.34", "2606:4700::1111", "::ffff:1.1.1.1"])
def test_public_addresses(ip):
    assert urls.is_public(ip)


@pytest.mark.parametrize(
    "url",
    [
        "ftp://example.org/",
        "file:///etc/passwd",
        "gopher://example.org/",
        "//example.org/p.jpg",
        "http://",
        "http://user@example.org/",
        "http://example.org@10.0.0.1/",
        "http://example.org:99999/",
        "http://exa mple.org/",
        "http://example.org/\r\nX-Injected: 1",
        "http://example.org\\@10.0.0.1/",
        "http://[::1%25eth0]/",
        "http://[::1/",
        "http://example.org/\ud800",  # JSON may hold half a character
        "http://example.org/?\ud800",
        "http://" + "a" * 64 + ".org/",
        "http://example.org/" + "a" * 5000,
        "javascript:alert(1)",
        "",
    ],
)
def test_what_is_no_address(url):
    assert urls.parse(url) is None


def test_an_address_taken_apart():
    assert urls.parse("https://Example.ORG./a b.jpg".replace(" ", "%20")) == (
        "https",
        "example.org",
        443,
        "/a%20b.jpg",
    )
    assert urls.parse("http://bücher.example/ü?x=1").path == "/%C3%BC?x=1"
    assert urls.parse("http://[2606:4700::1111]:8080/").netloc == "[2606:4700::1111]:8080"


def allowed(rules, url):
    return urls.Rules(rules).allow(urls.parse(url))


def test_public_means_the_usual_ports():
    assert allowed(("public",), "http://example.org/p.jpg")
    assert allowed(("public",), "https://example.org/p.jpg")
    for url in ("http://example.org:22/", "http://example.org:443/", "https://example.org:8443/"):
        assert not allowed(("public",), url)


def test_nothing_is_allowed_unless_named():
    assert not urls.Rules(())
    assert not allowed((), "http://example.org/")


@pytest.mark.parametrize(
    "url, begins",
    [
        ("https://cdn.example.org/photos/1.jpg", True),
        ("https://cdn.example.org/photos", True),
        ("https://cdn.example.org/photos?x=1", True),
        ("https://cdn.example.org/photosecrets/1.jpg", False),
        ("https://cdn.example.org/photos/../private/1.jpg", False),
        ("https://cdn.example.org/photos/%2e%2E/private/1.jpg", False),
        ("https://cdn.example.org/other/1.jpg", False),
        ("https://cdn.example.org.evil.example/photos/1.jpg", False),
        ("https://cdn.example.org:444/photos/1.jpg", False),
        ("http://cdn.example.org/photos/1.jpg", False),
    ],
)
def test_prefixes(url, begins):
    assert allowed(("https://cdn.example.org/photos",), url) is begins


def test_a_prefix_allows_an_inner_address_only_where_it_is_written_down():
    rules = urls.Rules(("http://10.0.0.5:9000/", "http://store.example:9000/"))
    assert rules.may_connect(urls.parse("http://10.0.0.5:9000/a"), "10.0.0.5")
    assert not rules.may_connect(urls.parse("http://store.example:9000/a"), "10.0.0.5")
    assert not rules.may_connect(urls.parse("http://10.0.0.5:9000/a"), "10.0.0.6")
    assert not rules.may_connect(urls.parse("http://10.0.0.5:80/a"), "10.0.0.5")


def test_a_rule_that_is_none():
    with pytest.raises(BshmError, match=r"expected public or a prefix.*example\.org"):
        urls.Rules(("example.org",))
