"""A transcription service on fakes."""

import io

import pytest

from speechhub.engine import Segment, SttCapabilities, Transcript, Word
from speechhub.services.catalog import Catalog
from speechhub.services.transcription import TranscriptionService
from tests.fakes.babble import wav_of
from tests.fakes.placements import CPU, placement, placements
from tests.fakes.runner import FakeRunner

ABLE = {
    "segment_timestamps": True,
    "word_timestamps": True,
    "language_detection": True,
    "prompt": True,
    "hotwords": True,
}
MODELS = placements(
    placement(
        "ears",
        device=CPU,
        languages=("en", "de", "fr"),
        capabilities=SttCapabilities(**ABLE, longest_input_s=5, max_batch=3),
    ),
    placement(
        "live-ears", device=CPU, capabilities=SttCapabilities(**ABLE, longest_input_s=5, streaming=True)
    ),
    placement(
        "polyglot-ears",
        device=CPU,
        languages=("en", "de", "fr"),
        capabilities=SttCapabilities(
            **ABLE, longest_input_s=8, max_batch=3, streaming=True, detects_per_passage=True
        ),
    ),
    placement("deaf-ears", device=CPU, capabilities=SttCapabilities(longest_input_s=5, max_batch=4)),
    placement("cantonese-ears", device=CPU, languages=("zh", "yue"), capabilities=SttCapabilities(**ABLE)),
    placement(
        "inventive-ears",
        device=CPU,
        capabilities=SttCapabilities(**ABLE, longest_input_s=5, streaming=True, invents_words=True),
    ),
    placement("any-ears", device=CPU, capabilities=SttCapabilities(**ABLE)),
)


def counted(request):
    """Return a transcript that says how long its audio is."""
    text = f"{request.audio.duration_s:.2f} seconds."
    end_s = request.audio.duration_s
    words = (Word(text=f" {text}", start_s=0.0, end_s=end_s),) if request.word_timestamps else ()
    segment = Segment(text=f" {text}", start_s=0.0, end_s=end_s, words=words)
    return Transcript(
        text=text,
        language=request.language or "en",
        duration_s=request.audio.duration_s,
        segments=(segment,),
    )


@pytest.fixture
async def runner():
    made = FakeRunner(MODELS)
    made.hear = counted
    return made


@pytest.fixture
def make_service(runner):
    def make(**limits):
        return TranscriptionService(
            Catalog(MODELS), runner, **{"max_audio_s": 3600, "request_timeout_s": 30} | limits
        )

    return make


@pytest.fixture
def service(make_service):
    return make_service()


@pytest.fixture
def file_of():
    """Return an open WAV file."""
    return lambda samples: io.BytesIO(wav_of(samples))
