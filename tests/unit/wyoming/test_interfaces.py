"""Interfaces: an address is announced only where other machines can use it."""

from ipaddress import ip_address

import pytest

from speechhub.wyoming import interfaces
from speechhub.wyoming.interfaces import interfaces_for

UP_MULTICAST = 0x1003
"""Flags of an ordinary card that is up."""
MACHINE = {
    "lo": (0x49, ["127.0.0.1", "::1"]),
    "eth0": (UP_MULTICAST, ["192.0.2.7", "2001:db8::7", "fd00::7", "fe80::7"]),
    "wlan0": (0x1002, ["192.0.2.8"]),
    "tailscale0": (0x1091, ["100.64.0.3"]),
    "br-lan": (UP_MULTICAST, ["198.51.100.4"]),
    "docker0": (UP_MULTICAST, ["172.17.0.1"]),
    "podman0": (UP_MULTICAST, ["10.88.0.1"]),
}
"""Name → flags, addresses. wlan0 is down; br-lan has a card's VLAN, docker0 a container, podman0 nothing."""


@pytest.fixture(autouse=True)
def machine(monkeypatch, tmp_path):
    """Show a machine with all kinds of interfaces."""
    for name, (flags, _) in MACHINE.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "flags").write_text(f"{flags:#x}\n")
    for bridge, ports in {"br-lan": ("eth1.5",), "docker0": ("veth1",), "podman0": ()}.items():
        (tmp_path / bridge / "brif").mkdir()
        for port in ports:
            (tmp_path / port).mkdir()
            (tmp_path / bridge / "brif" / port).symlink_to(tmp_path / port)
    (tmp_path / "eth1.5" / "lower_eth1").mkdir()
    monkeypatch.setattr(interfaces, "SYS", tmp_path)
    found = [(name, at, [*map(ip_address, ips)]) for at, (name, (_, ips)) in enumerate(MACHINE.items(), 1)]
    monkeypatch.setattr(interfaces, "_adapters", lambda: iter(found))


def reached(host):
    return [str(address) for one in interfaces_for(host) for address in one.addresses]


def test_all_addresses_means_those_that_other_machines_reach():
    """Not loopback, not link-local, nothing that is down, no tunnel, no bridge of containers alone."""
    assert reached("0.0.0.0") == ["192.0.2.7", "198.51.100.4"]
    assert reached("::") == ["192.0.2.7", "2001:db8::7", "fd00::7", "198.51.100.4"]


@pytest.mark.parametrize("host", ["192.0.2.7", "fd00::7", "172.17.0.1", "100.64.0.3", "127.0.0.1", "::1"])
def test_an_address_that_the_operator_chose_is_announced_alone(host):
    """Also one of a container's network or of loopback: the server listens there, and nowhere else."""
    assert reached(host) == [host]


def test_an_address_that_is_gone_is_not_announced():
    """The network went down, or has other addresses now."""
    assert reached("203.0.113.1") == []


def test_an_interface_that_the_system_does_not_describe_is_announced(monkeypatch, tmp_path):
    """A container may hide /sys."""
    monkeypatch.setattr(interfaces, "SYS", tmp_path / "hidden")

    assert "192.0.2.7" in reached("0.0.0.0")
