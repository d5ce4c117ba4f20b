"""A browser for what is announced in the local network by multicast DNS, as Home Assistant has one."""

import asyncio
import socket
from contextlib import asynccontextmanager

import pytest
from zeroconf import IPVersion, ServiceStateChange
from zeroconf.asyncio import AsyncServiceBrowser, AsyncZeroconf

from speechhub.wyoming.announcement import SERVICE

GROUP = "224.0.0.251"
PATIENCE_S = 30


def multicast_reaches(address):
    """Return whether what one socket sends to a group over the interface of *address* reaches another."""
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as hearing,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sending,
    ):
        try:
            hearing.bind(("", 0))
            member = socket.inet_aton(GROUP) + socket.inet_aton(address)
            hearing.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, member)
            hearing.settimeout(1)
            sending.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(address))
            sending.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 0)
            sending.sendto(b"x", (GROUP, hearing.getsockname()[1]))
            return hearing.recv(1) == b"x"
        except OSError:
            return False


class Browser:
    """The services of one name that can be seen, with and without a number behind it."""

    def __init__(self, responder, name):
        self._responder = responder
        self._name = name
        self._changed = asyncio.Condition()
        self._tasks = []
        self.seen = {}

    def heard(self, zeroconf, service_type, name, state_change):
        if name.startswith(self._name):
            self._tasks.append(asyncio.ensure_future(self._note(name, state_change)))

    async def _note(self, name, change):
        shown = name.removesuffix(f".{SERVICE}")
        service = None
        if change is not ServiceStateChange.Removed:
            service = await self._responder.async_get_service_info(SERVICE, name, 1000 * PATIENCE_S)
        async with self._changed:
            if service is None:
                self.seen.pop(shown, None)
            else:
                self.seen[shown] = (service.port, set(service.parsed_addresses()))
            self._changed.notify_all()

    async def until(self, wanted):
        async with asyncio.timeout(PATIENCE_S), self._changed:
            await self._changed.wait_for(lambda: self.seen == wanted)


@asynccontextmanager
async def browsing(name, addresses):
    """Look for services of *name* over the interfaces of IPv4 *addresses*; skip without multicast."""
    if not addresses or not all(map(multicast_reaches, addresses)):
        pytest.skip(f"multicast is not possible here, at {addresses or 'no address at all'}")
    responder = AsyncZeroconf(interfaces=sorted(addresses), ip_version=IPVersion.V4Only)
    browser = Browser(responder, name)
    watching = AsyncServiceBrowser(responder.zeroconf, SERVICE, handlers=[browser.heard])
    try:
        yield browser
    finally:
        await watching.async_cancel()
        await responder.async_close()
