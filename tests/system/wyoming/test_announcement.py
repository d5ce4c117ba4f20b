"""Announcement in the local network, as a browser in the same network sees it."""

import secrets
from contextlib import AsyncExitStack

import pytest

from speechhub.settings import Settings
from speechhub.wyoming.announcement import announced
from speechhub.wyoming.interfaces import interfaces_for
from tests.fakes.browsing import browsing


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
async def test_a_browser_sees_each_server_under_its_own_name_until_it_ends(host):
    """With its port and with real addresses, also where it listens on all; the second one gets a number."""
    addresses = {str(address) for one in interfaces_for(host) for address in one.addresses}
    name = f"speechhub-test-{secrets.token_hex(4)}"
    settings = Settings(wyoming_port=10300, wyoming_zeroconf=True, wyoming_name=name)
    async with browsing(name, addresses) as browser, AsyncExitStack() as second:
        async with announced(settings, host, 10300):
            await browser.until({name: (10300, addresses)})
            await second.enter_async_context(announced(settings, host, 10301))
            await browser.until({name: (10300, addresses), f"{name}-2": (10301, addresses)})
        await browser.until({f"{name}-2": (10301, addresses)})
        await second.aclose()
        await browser.until({})
