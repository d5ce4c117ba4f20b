"""Which languages are spoken where a request does not say."""

from dataclasses import dataclass

import numpy as np
import pytest

from speechhub.engine import Audio, ConfigurationError, LoadContext, SpokenLanguages, TranscribeRequest

KNOWN = ("en", "de", "fr")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings(SpokenLanguages):
    beam_size: int = 5

    def __post_init__(self):
        self.check_languages("ears", KNOWN)


def settings(**options):
    return LoadContext(model="tiny", model_dir=None, options=options).settings(Settings)


@pytest.mark.parametrize(
    ("options", "wish", "expected"),
    [
        ({}, {}, (None, ())),
        ({"language": "de"}, {}, ("de", ())),
        ({"languages": ["de", "fr"]}, {}, (None, ("de", "fr"))),
        ({"language": "de"}, {"language": "fr"}, ("fr", ())),
        ({"language": "de"}, {"languages": ("fr", "en")}, (None, ("fr", "en"))),
        ({"languages": ["de", "fr"]}, {"language": "en"}, ("en", ())),
        ({"languages": ["de", "fr"]}, {"languages": ("en", "it")}, (None, ("en", "it"))),
    ],
)
def test_a_requests_own_languages_come_first(options, wish, expected):
    request = TranscribeRequest(audio=Audio(samples=np.zeros(9, np.float32), sample_rate=16_000), **wish)

    filled = settings(**options).fill_in(request, KNOWN)

    assert (filled.language, filled.languages) == expected
    assert filled.audio is request.audio


def test_what_a_model_does_not_know_is_left_out():
    """One table of options is for all models of an engine, those for English among them."""
    request = TranscribeRequest(audio=Audio(samples=np.zeros(9, np.float32), sample_rate=16_000))

    filled = settings(language="de", languages=["fr", "en"]).fill_in(request, ["en"])

    assert (filled.language, filled.languages) == (None, ("en",))


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"language": "German"}, r"ears must be codes out of en, de, fr, not 'German'\."),
        ({"languages": ["de", "xx"]}, r"not 'xx'\."),
        ({"languages": ["de", ["en"]]}, r"not \['en'\]\."),
        ({"languages": "de"}, r"'languages' must be tuple, not 'de'\."),
    ],
)
def test_wrong_codes_are_refused(options, says):
    with pytest.raises(ConfigurationError, match=says):
        settings(**options)
