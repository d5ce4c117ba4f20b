"""The application on fakes, and the official client that talks to it without a socket."""

import io

import av
import httpx2
import numpy as np
import openai
import pytest

from speechhub.engine import EmotionMode, Slot, SttCapabilities, TtsCapabilities, Voice
from speechhub.environments.known import known_engines
from speechhub.gpu.monitor import NoGpus
from speechhub.http.app import create_app
from speechhub.hub import Hub
from speechhub.lifecycle.manager import Manager
from speechhub.lifecycle.scheduler.limits import Limits
from speechhub.metrics import Metrics
from speechhub.services.catalog import Catalog
from speechhub.services.speech import SpeechService
from speechhub.services.transcription import TranscriptionService
from speechhub.services.voices import VoiceService
from speechhub.settings import Settings
from speechhub.store import Licences, ModelStore, ReferenceCache
from speechhub.voices import VoiceLibrary
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


@pytest.fixture
async def hub(settings, runner, gpus, fleet):
    metrics = Metrics()
    catalog = Catalog(
        MODELS, aliases={"my-ears": "ears"}, voice_aliases={"boss": "bert"}, uninstalled=known_engines()
    )
    manager = Manager(MODELS, limits=Limits(), fetch=lambda placement: None, starter=fleet)
    library = VoiceLibrary(settings.voices_dir, limit=settings.max_voices)
    voices = VoiceService(
        library,
        ReferenceCache(settings.voice_features_dir, limit_bytes=10_000, digests=library.digests),
        max_reference_bytes=settings.max_reference_bytes,
        max_reference_s=settings.max_reference_s,
    )
    return Hub(
        settings=settings,
        catalog=catalog,
        store=ModelStore(settings.models_dir, hf_endpoint=None, offline=True),
        licences=Licences(settings.licences_file),
        manager=manager,
        runner=runner,
        transcription=TranscriptionService(
            catalog, runner, max_audio_s=settings.max_audio_s, request_timeout_s=5
        ),
        speech=SpeechService(
            catalog, runner, voices, max_input_chars=4096, request_timeout_s=5, metrics=metrics
        ),
        voices=voices,
        metrics=metrics,
        monitor=gpus,
    )


@pytest.fixture
async def app(settings, hub):
    made = create_app(settings, hub=hub)
    async with made.lifespan():
        yield made


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
