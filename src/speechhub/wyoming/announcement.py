"""Announcement of the port in the local network, by multicast DNS, so that Home Assistant offers to add it.

`wyoming.zeroconf` is not used: where the server listens on all addresses it announces ``0.0.0.0``, otherwise
one IPv4 address; it never withdraws an announcement, and it fails if another server has the name.
"""

import asyncio
import re
import secrets
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Final

import structlog

from speechhub.settings import Settings
from speechhub.wyoming.interfaces import Interface, interfaces_for

if TYPE_CHECKING:
    from zeroconf.asyncio import AsyncZeroconf

log = structlog.get_logger()

SERVICE: Final = "_wyoming._tcp.local."
"""Source: Home Assistant, ``homeassistant/components/wyoming/manifest.json``."""
NAME_BYTES: Final = 63 - len("-999")
"""Longest name: a label of DNS has 63 bytes, and a name that another server has gets a number."""
LOOK_EVERY_S: Final = 30.0
"""How often the addresses of this machine are read: they change, and networks come up, at any time."""
REGISTER_S: Final = 20.0
"""Longest registration; it takes about 3 s, and longer for each server that already has the name."""
WITHDRAW_S: Final = 2.0
"""Longest withdrawal; it takes 0.3 s."""


@asynccontextmanager
async def announced(settings: Settings, host: str, port: int) -> AsyncIterator[None]:
    """Announce the server while the context lasts, if the settings ask for it.

    Entering does not wait for the network, and leaving waits 0.3 s, or at most 3 s.

    Args:
        settings: Those of the hub.
        host: IP address that the server listens on, as a number.
        port: TCP port that it listens on; not 0.
    """
    if not settings.wyoming_zeroconf:
        yield
        return
    announcement = Announcement(name_of(settings), host, port)
    running = asyncio.create_task(announcement.run())
    try:
        yield
    finally:
        running.cancel()
        await asyncio.wait([running], timeout=WITHDRAW_S + 1.0)


def name_of(settings: Settings) -> str:
    """Return the name to announce: the operator's, or one made of the machine's name.

    Home Assistant recognises a server by this name, so it is the same after every start.
    """
    wanted = settings.wyoming_name or f"speechhub-{socket.gethostname().partition('.')[0]}"
    clean = re.sub(r"[\x00-\x1f\x7f.]+", "-", wanted).strip("- ")
    return clean.encode()[:NAME_BYTES].decode(errors="ignore").rstrip() or "speechhub"


class Announcement:
    """The announcement of one server, kept up to date with this machine's addresses.

    It runs on the event loop, without threads; zeroconf keeps at most 10,000 records of what other machines
    announce.
    """

    def __init__(self, name: str, host: str, port: int) -> None:
        self._name = name
        self._host = host
        self._port = port
        self._responder: AsyncZeroconf | None = None
        self._failed = False
        # Unique, because servers of the same name on other machines have other addresses. Only the
        # announcement mentions this host name, so it may change with every start.
        self._server = f"speechhub-{secrets.token_hex(8)}.local."

    async def run(self) -> None:
        """Announce until cancelled, then withdraw; a failure is logged once, and tried again."""
        announced: tuple[Interface, ...] = ()
        try:
            while True:
                try:
                    if (found := interfaces_for(self._host)) != announced or not found:
                        await self._withdraw()
                        announced = ()
                        await self._announce(found)
                        announced = found
                        self._failed = False
                except Exception as error:  # noqa: BLE001 - whatever fails here, the server goes on
                    self._tell(error)
                await asyncio.sleep(LOOK_EVERY_S)
        finally:
            await self._withdraw()

    async def _announce(self, interfaces: tuple[Interface, ...]) -> None:
        addresses = [address for interface in interfaces for address in interface.addresses]
        if not addresses:
            raise OSError(
                f"no network with multicast has an address to announce; the server listens on {self._host}"
            )
        from zeroconf.asyncio import AsyncServiceInfo, AsyncZeroconf  # noqa: PLC0415 - an extra

        # One socket for each IPv4 address, and one for each interface with IPv6.
        senders: list[str | int] = [str(address) for address in addresses if address.version == 4]  # noqa: PLR2004
        senders += [one.index for one in interfaces if any(address.version == 6 for address in one.addresses)]  # noqa: PLR2004
        self._responder = AsyncZeroconf(interfaces=senders)
        service = AsyncServiceInfo(
            SERVICE,
            f"{self._name}.{SERVICE}",
            port=self._port,
            addresses=[address.packed for address in addresses],
            server=self._server,
        )
        async with asyncio.timeout(REGISTER_S):
            await (await self._responder.async_register_service(service, allow_name_change=True))
        name = service.name.removesuffix(f".{SERVICE}")
        log.info(
            "announced to the local network", name=name, addresses=[*map(str, addresses)], port=self._port
        )

    async def _withdraw(self) -> None:
        responder, self._responder = self._responder, None
        if responder is not None:
            with suppress(Exception):  # the network may be gone; what was announced expires
                async with asyncio.timeout(WITHDRAW_S):
                    await responder.async_close()

    def _tell(self, error: Exception) -> None:
        if not self._failed:
            self._failed = True
            log.warning(
                "not announced to the local network",
                problem=f"{type(error).__name__}: {error}",
                remedy=f"The server tries again every {LOOK_EVERY_S:g} s. If that cannot work, add it to "
                "Home Assistant by host and port, and set wyoming_zeroconf to false. In a container, "
                "announcing needs the host's network.",
            )
