"""Which network a client belongs to, whatever a proxy writes around its address."""

import pytest

from statuspage.lib.client_network import network_of


@pytest.mark.parametrize(
    "text, network",
    [
        ("203.0.113.7", "203.0.113.7"),
        (" 203.0.113.7:40001 ", "203.0.113.7"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("[::ffff:203.0.113.7]:443", "203.0.113.7"),
        ("2001:db8:1:2::7", "20010db800010002::/64"),
        ("[2001:db8:1:2::8]", "20010db800010002::/64"),
        ('"[2001:DB8:1:2::9]:443"', "20010db800010002::/64"),
        ("fe80::1%eth0", "fe80000000000000::/64"),
        ("unknown", "unknown"),
        ("_hidden", "_hidden"),
        ("", ""),
    ],
)
def test_a_client_has_one_network(text, network):
    assert network_of(text) == network
