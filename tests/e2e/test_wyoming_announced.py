"""A real server that announces its port for Home Assistant, and is asked by ``doctor`` meanwhile."""

import asyncio
import secrets
import socket
import subprocess
import sys

import pytest

from tests.e2e.conftest import ECHO
from tests.e2e.server import serving
from tests.fakes.browsing import browsing


@pytest.mark.unhurried
async def test_a_server_is_seen_while_it_runs_and_doctor_reads_what_it_offers(tmp_path):
    """On loopback, under its name, with its port; after SIGTERM it is gone."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    name = f"speechhub-test-{secrets.token_hex(4)}"
    wanted = {"WYOMING_PORT": str(port), "WYOMING_ZEROCONF": "true", "WYOMING_NAME": name}
    env = ECHO | {f"SPEECHHUB_{setting}": value for setting, value in wanted.items()}
    async with browsing(name, {"127.0.0.1"}) as browser:
        with serving(tmp_path, **env) as server:
            await browser.until({name: (port, {"127.0.0.1"})})
            doctor = await asyncio.to_thread(
                subprocess.run,
                [sys.executable, "-m", "speechhub", "doctor"],
                env={"SPEECHHUB_HOME": str(tmp_path)} | env,
                cwd=tmp_path,
                capture_output=True,
                text=True,
                check=False,
            )
            status = await asyncio.to_thread(server.stop)
        await browser.until({})

    assert status == 0, server.log_text()
    [line] = [line for line in doctor.stdout.splitlines() if "port for Home Assistant" in line]
    assert line.startswith(f"  ok  port for Home Assistant: 127.0.0.1:{port} answers, with "), doctor.stdout
    assert not server.logged("not announced to the local network")
