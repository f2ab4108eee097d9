"""Which pod gets which address."""

from ipaddress import IPv4Address, IPv4Network

import pytest

from nodeagent.network.addresses import AddressPool, NoAddressLeft

CIDR = IPv4Network("10.1.0.0/29")


def test_an_address_that_was_given_back_rests_until_the_others_had_their_turn() -> None:
    """A client that still talks to the old pod must not find a new one there."""
    pool = AddressPool(CIDR)
    first = pool.take("a")
    pool.give_back("a")

    following = [pool.take(owner) for owner in "bcde"]

    assert first == IPv4Address("10.1.0.2")
    assert first not in following
    assert pool.take("f") == first


def test_the_same_pod_keeps_its_address() -> None:
    pool = AddressPool(CIDR)

    assert pool.take("a") == pool.take("a")


def test_the_gateway_the_network_and_broadcast_are_nobodys() -> None:
    pool = AddressPool(CIDR)
    taken = {pool.take(str(n)) for n in range(5)}

    assert taken == {IPv4Address(f"10.1.0.{n}") for n in range(2, 7)}
    assert pool.gateway == IPv4Address("10.1.0.1")
    with pytest.raises(NoAddressLeft):
        pool.take("more")


def test_a_claimed_address_is_not_given_to_another_pod() -> None:
    pool = AddressPool(CIDR)
    pool.claim("old", IPv4Address("10.1.0.2"))

    assert pool.take("new") == IPv4Address("10.1.0.3")
    with pytest.raises(ValueError, match="old has it, other claims it too"):
        pool.claim("other", IPv4Address("10.1.0.2"))


def test_a_cidr_without_room_is_refused() -> None:
    with pytest.raises(ValueError, match="use a /29 or larger"):
        AddressPool(IPv4Network("10.1.0.0/30"))
