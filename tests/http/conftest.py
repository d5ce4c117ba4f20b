"""The application on fakes, and the official client that talks to it without a socket."""

import io
from collections import deque
from pathlib import Path

import av
import httpx2
import numpy as np
import openai
import pytest
from msgspec import structs

from speechhub.engine import EmotionMode, Slot, SttCapabilities, TtsCapabilities, Voice
from speechhub.environments.known import known_engines
from speechhub.gpu.monitor import NoGpus
from speechhub.http.app import Routes
from speechhub.hub import Hub
from speechhub.settings import Settings
from tests.fakes.placements import CPU, placement, placements
from tests.fakes.runner import FakeRunner
from tests.fakes.workers import Fleet

ABLE = SttCapabilities(
    segment_timestamps=True,
    word_timestamps=True,
    language_detection=True,
    translation=True,
    streaming=True,
    prompt=True,
    hotwords=True,
    temperature=True,
)
MODELS = placements(
    placement("ears", device=CPU, capabilities=ABLE, preference=2, languages=("en", "de")),
    placement("bare-ears", device=CPU, capabilities=SttCapabilities(longest_input_s=2)),
    placement(
        "mouth",
        slot=Slot.TTS,
        device=CPU,
        capabilities=TtsCapabilities(streaming=True, longest_input_chars=2000),
        voices=(Voice(id="anna", name="Anna"), Voice(id="bert")),
    ),
    placement(
        "mimic",
        slot=Slot.TTS,
        device=CPU,
        capabilities=TtsCapabilities(
            cloning=True,
            reference_sample_rate=16_000,
            longest_reference_s=1.2,
            emotions=(EmotionMode.AUDIO, EmotionMode.VECTOR, EmotionMode.TEXT),
            seed=True,
            silence_interval=True,
        ),
        preference=-1,
    ),
    placement("bound", slot=Slot.TTS, device=CPU, preference=-1, licence="Own-1.0"),
)


@pytest.fixture
def settings(tmp_path):
    return Settings(
        home=tmp_path,
        max_upload_bytes=300_000,
        max_reference_bytes=250_000,
        max_audio_s=20,
        cors_origins=("https://a.example",),
        aliases={"my-ears": "ears"},
        voice_aliases={"boss": "bert"},
        request_timeout_s=5,
        max_input_chars=4096,
        inspectable=True,
    )


@pytest.fixture
async def runner():
    return FakeRunner(MODELS)


@pytest.fixture
def gpus():
    """A machine without GPUs; a module that wants one has a fixture of this name."""
    return NoGpus()


@pytest.fixture
async def fleet():
    return Fleet()


def hub_of(settings, runner, *, models=MODELS, gpus=None, fleet=None):
    """Return a hub that serves *models* with *runner*, from fakes."""
    return Hub.build(
        settings,
        models,
        starter=fleet or Fleet(),
        monitor=gpus or NoGpus(),
        runner=runner,
        uninstalled=known_engines(),
    )


@pytest.fixture
async def hub(settings, runner, gpus, fleet):
    return hub_of(settings, runner, gpus=gpus, fleet=fleet)


@pytest.fixture(scope="session")
def built():
    """Settings but for their home, whether a model clones, and the routes built for both: the last few."""
    return deque(maxlen=8)


@pytest.fixture
async def app(hub, built):
    """The application; tests whose settings are alike take turns with its routes, each with its own hub."""
    wanted = (structs.replace(hub.settings, home=Path()), hub.catalog.clones)
    routes = next((it for *key, it in built if (*key,) == wanted), None)
    if routes is None:
        routes = Routes.build(hub.settings, cloning=hub.catalog.clones)
        built.append((*wanted, routes))
    async with hub:
        yield routes.in_front_of(hub)


@pytest.fixture
async def http(app):
    """A bare HTTP client."""
    transport = httpx2.ASGITransport(app, raise_app_exceptions=False)
    async with httpx2.AsyncClient(transport=transport, base_url="http://hub") as client:
        yield client


@pytest.fixture
async def client(app):
    """The official client."""
    transport = httpx2.ASGITransport(app, raise_app_exceptions=False)
    async with (
        httpx2.AsyncClient(transport=transport) as http_client,
        openai.AsyncOpenAI(
            base_url="http://hub/v1", api_key="any", http_client=http_client, max_retries=0
        ) as made,
    ):
        yield made


def wav(seconds=1.0, rate=16_000):
    """Return a WAV file with a tone."""
    samples = (np.sin(np.arange(int(seconds * rate)) * 0.2) * 8000).astype(np.int16)
    out = io.BytesIO()
    with av.open(out, "w", format="wav") as container:
        stream = container.add_stream("pcm_s16le", rate=rate, layout="mono")
        frame = av.AudioFrame.from_ndarray(samples[None], format="s16", layout="mono")
        frame.sample_rate = rate
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return out.getvalue()


@pytest.fixture(scope="session")
def clip():
    return wav()
