"""Which language's words a text gets, and which lines get any."""

import pytest

from speechhub.domain.voice import Voice
from speechhub.engine import TextPart
from speechhub.services.wording import spoken_language, worded
from speechhub.speakable import Line

ANNA = Voice(id="anna", name="Anna", languages=("de",))
BERT = Voice(id="bert", name="Bert", languages=("fr",))
BOTH = Voice(id="both", name="Both", languages=("de", "fr"))
NEW = Voice(id="new", name="New")


@pytest.mark.parametrize(
    ("wanted", "known", "voices", "voice", "language"),
    [
        ("es", ("en",), (ANNA,), "anna", "es"),
        (None, ("en",), (), "anna", "en"),
        (None, (), (ANNA, BERT), "bert", "fr"),
        (None, ("de", "fr"), (ANNA, BERT), "anna", "de"),
        (None, ("de", "fr"), (BOTH,), "both", None),
        (None, ("en", "zh"), (NEW,), "new", None),
        (None, ("en",), (NEW,), "new", "en"),
        (None, (), (), "anna", None),
        (None, (), (ANNA, BERT), None, None),
        (None, (), (ANNA, ANNA), None, "de"),
    ],
)
def test_the_language_is_one_that_is_known(wanted, known, voices, voice, language):
    """The request tells it, else the voice, else a model with one language; else nothing does."""
    assert spoken_language(wanted, known, voices, voice) == language


def test_lines_are_worded_and_keep_their_pauses():
    """The text changes, and nothing else."""
    lines = [Line(text="It is 5 km.", pause_s=0.5), Line(text="", pause_s=1.0, asked=True)]

    assert worded(lines, "en", (TextPart.NUMBERS,)) == [
        Line(text="It is five kilometers.", pause_s=0.5),
        Line(text="", pause_s=1.0, asked=True),
    ]
