"""A third slot is one row of `speechhub.engine.slots` and its engine class; nothing else changes."""

import json
import os
import shutil
import subprocess
import sysconfig
import venv
from pathlib import Path

import pytest

import speechhub

ENGINE_CLASS = '''
from abc import abstractmethod
from dataclasses import dataclass

from speechhub.engine.base import Engine
from speechhub.engine.capabilities import Capabilities


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbedCapabilities(Capabilities):
    dimensions: int = 0


class EmbedEngine(Engine):
    @abstractmethod
    def embed(self, request, call):
        """Return what tells the speaker of a recording from others."""
'''
LAST_ROW = '    TTS = "tts", TtsEngine, TtsCapabilities, "speak", (SYNTHESIZE,)\n'
NEW_ROW = """\
    EMBED = "embed", EmbedEngine, EmbedCapabilities, "embed", (
        Operation(name="embed", takes=TranscribeRequest, returns=list[float]),
    )
"""
SPEC = """
from speechhub.engine import EngineSpec, ModelSpec, Slot
from speechhub.engine.embed import EmbedCapabilities

SPEC = EngineSpec(
    name="prints", slot=Slot.EMBED, factory="prints_engine:Prints",
    models=(ModelSpec(id="print-1"),), capabilities=EmbedCapabilities(dimensions=2),
)
"""
ENGINE = """
from speechhub.engine.embed import EmbedEngine

class Prints(EmbedEngine):
    def load(self, context):
        assert context.model == "print-1"

    def embed(self, request, call):
        return [float(request.audio.samples.min()), float(request.audio.samples.max())]
"""
PROGRAM = """
import asyncio, json, sys
from pathlib import Path

import httpx2
import numpy as np

from speechhub.engine import Audio, Slot, TranscribeRequest
from speechhub.http.app import create_app
from speechhub.hub import Hub
from speechhub.settings import Settings

async def main(home, said):
    hub = Hub.assemble(Settings(home=home, offline=True))
    async with hub:
        transport = httpx2.ASGITransport(create_app(hub))
        async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            async def ask(method, path, **fields):
                answer = await client.request(method, path, **fields)
                assert answer.status_code == 200, answer.text
                return answer.json()

            async def shown():
                health = await ask("GET", "/health")
                [model] = [model for model in health["models"] if model["id"] == "print-1"]
                [device] = [device for device in health["devices"] if device["name"] == model["device"]]
                return [model["state"], device["state"], device["current_model"]]

            said["described"] = await ask("GET", "/v1/models/print-1")
            said["defaults"] = dict(hub.catalog.defaults)
            said["states"] = [await shown()]
            await ask("POST", "/v1/engines/load", json={"model": "print-1"})
            said["states"].append(await shown())
            async with hub.manager.lease("print-1") as worker:
                said["pid"] = worker.pid
                audio = Audio(samples=np.array([-0.5, 0.25], np.float32), sample_rate=16_000)
                [operation] = Slot.EMBED.operations
                said["answer"] = await worker.ask(operation, TranscribeRequest(audio=audio))
            await ask("POST", "/v1/engines/unload", json={"model": "print-1"})
            said["states"].append(await shown())

said = {}
asyncio.run(main(Path(sys.argv[1]), said))
Path(sys.argv[2]).write_text(json.dumps(said))
"""


@pytest.fixture
def hub(tmp_path):
    """Return a folder with a copy of speechhub whose table has one row more."""
    package = tmp_path / "hub" / "speechhub"
    shutil.copytree(Path(speechhub.__file__).parent, package)
    (package / "engine" / "embed.py").write_text(ENGINE_CLASS)
    table = package / "engine" / "slots.py"
    heading, rows, rest = table.read_text().partition(LAST_ROW)
    assert rows
    imports = "from speechhub.engine.embed import EmbedCapabilities, EmbedEngine\n\n\n@dataclass"
    table.write_text(heading.replace("@dataclass", imports, 1) + rows + NEW_ROW + rest)
    return package.parent


@pytest.fixture
def python(tmp_path):
    """Return the Python of an environment that has what this one has, and a plugin for the new row."""
    plugin = tmp_path / "plugin"
    info = plugin / "prints-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: prints\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[speechhub.embed]\nprints = prints:SPEC\n")
    (plugin / "prints.py").write_text(SPEC)
    (plugin / "prints_engine.py").write_text(ENGINE)
    env = tmp_path / "env"
    venv.create(env, with_pip=False, symlinks=True)
    scheme = {"base": str(env), "platbase": str(env)}
    site_packages = Path(sysconfig.get_path("purelib", "venv", vars=scheme))
    (site_packages / "all.pth").write_text(f"{plugin}\n{sysconfig.get_path('purelib')}\n")
    return env / "bin" / "python"


def test_a_third_slot_is_one_row_and_its_engine_class(hub, python, tmp_path):
    """Its engine is discovered, placed, loaded in a worker, asked, shown and unloaded."""
    said = tmp_path / "said.json"

    done = subprocess.run(
        [python, "-P", "-c", PROGRAM, tmp_path / "home", said],
        env=os.environ | {"PYTHONPATH": str(hub)}, capture_output=True, check=False, text=True,
    )  # fmt: skip

    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(said.read_text())
    assert told["described"]["task"] == "embed"
    assert told["described"]["capabilities"] == {"dimensions": 2}
    assert told["defaults"]["embed"] == "print-1"
    assert told["states"] == [
        ["unloaded", "NONE", None],
        ["ready", "EMBED", "print-1"],
        ["unloaded", "NONE", None],
    ]
    assert told["answer"] == [-0.5, 0.25]
    assert not Path(f"/proc/{told['pid']}").exists()
