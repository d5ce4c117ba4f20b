"""A copy of the home folder is a backup, as docs/operations.md says."""

import shutil

import httpx
import numpy as np
import pytest

from tests.e2e.conftest import ECHO
from tests.e2e.server import serving
from tests.e2e.test_voices import consent, spoken, upload


@pytest.mark.mission("18.7")
def test_a_restored_copy_has_its_voices(tmp_path):
    """A copy of the home, made while the server ran, is a backup: another server speaks with its voices."""
    home, restored = tmp_path / "home", tmp_path / "restored"
    home.mkdir()
    with serving(home, **ECHO) as server, httpx.Client(base_url=server.url, timeout=30) as client:
        kept = upload(client, "kept", consent(client)).json()["id"]
        before = spoken(client, voice=kept)
        shutil.copytree(home, restored)
        upload(client, "too late", consent(client))

    with serving(restored, **ECHO) as server, httpx.Client(base_url=server.url, timeout=30) as client:
        assert client.get(f"/v1/audio/voices/{kept}").json()["name"] == "kept"
        assert len(client.get("/v1/audio/voice_consents").json()["data"]) == 1
        assert np.array_equal(spoken(client, voice=kept), before)
