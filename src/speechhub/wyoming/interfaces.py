"""Network interfaces of this machine at which programs on other machines can reach it.

Left out are loopback, tunnels, interfaces without multicast, and bridges that connect only containers or
virtual machines: their addresses, announced to a local network, lead nowhere.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from typing import Final

SYS: Final = Path("/sys/class/net")
IFF_UP: Final = 0x1
IFF_LOOPBACK: Final = 0x8
IFF_POINTOPOINT: Final = 0x10
IFF_MULTICAST: Final = 0x1000
"""Flags of an interface. Source: Linux, include/uapi/linux/if.h."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Interface:
    """An interface, as it was when it was read."""

    index: int
    """Number in the kernel, which multicast over IPv6 needs."""
    addresses: tuple[IPv4Address | IPv6Address, ...]
    """Sorted, IPv4 first; never empty."""


def interfaces_for(host: str) -> tuple[Interface, ...]:
    """Return the interfaces, and on each the addresses, at which a server that listens on *host* is reached.

    Args:
        host: IP address that the server listens on. ``0.0.0.0`` means all of IPv4, ``::`` all addresses.

    Returns:
        Sorted by index. For a loopback address the loopback interface alone; empty if there is no network.
    """
    listening = ip_address(host.partition("%")[0])
    everywhere = listening.is_unspecified
    shown = []
    for name, index, addresses in _adapters():
        if everywhere and not _leads_outside(SYS / name):
            continue
        reached = sorted((one for one in addresses if _reaches(one, listening)), key=_order)
        if reached:
            shown.append(Interface(index=index, addresses=tuple(reached)))
    return tuple(sorted(shown, key=lambda interface: interface.index))


def _adapters() -> Iterator[tuple[str, int, list[IPv4Address | IPv6Address]]]:
    """Yield each interface's name, index and addresses."""
    import ifaddr  # noqa: PLC0415 - an extra: it comes with zeroconf

    for adapter in ifaddr.get_adapters():
        if adapter.index is not None:
            texts = (ip.ip if isinstance(ip.ip, str) else ip.ip[0] for ip in adapter.ips)
            yield adapter.name, adapter.index, [ip_address(text.partition("%")[0]) for text in texts]


def _reaches(address: IPv4Address | IPv6Address, listening: IPv4Address | IPv6Address) -> bool:
    """Return whether a client elsewhere that connects to *address* meets a server on *listening*."""
    if not listening.is_unspecified:
        return address == listening
    if address.is_loopback or address.is_link_local:  # Home Assistant takes neither
        return False
    return listening.version == 6 or address.version == 4  # noqa: PLR2004 - :: takes clients of both versions


def _order(address: IPv4Address | IPv6Address) -> tuple[int, int]:
    return address.version, int(address)


def _leads_outside(folder: Path) -> bool:
    """Return whether other machines can be on the interface that *folder* describes; True if unknown."""
    try:
        flags = int((folder / "flags").read_text(), 16)
    except (OSError, ValueError):
        return True
    if not flags & IFF_UP or not flags & IFF_MULTICAST or flags & (IFF_LOOPBACK | IFF_POINTOPOINT):
        return False
    ports = folder / "brif"
    if not ports.is_dir():
        return True
    return any(_is_hardware(port.resolve()) for port in ports.iterdir())


def _is_hardware(port: Path) -> bool:
    """Return whether a bridge's port is a network card, or is based on one, as bonds and VLANs are."""
    return (port / "device").exists() or any(port.glob("lower_*"))
