"""The language of each clip of a recording."""

import pytest

from speechhub_whisper.clips import Clip
from speechhub_whisper.tongues import Tongues


def clip(spoken_s):
    return Clip(start_s=0.0, end_s=20.0, speech=((1.0, 1.0 + spoken_s),))


SURE_ES = [("es", 0.9), ("en", 0.1)]


@pytest.mark.parametrize(
    ("spoken_s", "found", "expected"),
    [
        (3.0, [("es", 0.7), ("en", 0.3)], "es"),
        (3.0, [("es", 0.69), ("en", 0.31)], "en"),
        (2.9, SURE_ES, "en"),
        (3.0, [("en", 0.4), ("es", 0.3)], "en"),
    ],
)
def test_another_language_must_be_sure(spoken_s, found, expected):
    """A clip with little speech, or a doubtful one, is in the language that prevails."""
    tongues = Tongues(named=None)
    tongues.heard(clip(10.0), "en")

    assert tongues.choose(clip(spoken_s), found) == expected


def test_the_first_clip_tells_its_language_in_any_case():
    assert Tongues(named=None).choose(clip(0.5), [("es", 0.3), ("en", 0.2)]) == "es"


def test_what_prevails_is_counted_in_seconds_of_speech():
    tongues = Tongues(named=None)
    assert tongues.main is None
    assert tongues.begin(SURE_ES) == "es"
    assert tongues.main == "es"
    for spoken_s, language in ((5.0, "es"), (3.0, "en"), (3.0, "en")):
        tongues.heard(clip(spoken_s), language)

    assert tongues.main == "en"
    assert tongues.all == ("en", "es")


def test_a_named_language_holds_for_all():
    tongues = Tongues(named="fr")

    assert tongues.main == "fr"
    assert tongues.choose(clip(9.0), SURE_ES) == "fr"


def test_the_choice_is_between_those_that_may_be_spoken():
    """And as sure as the others leave it."""
    tongues = Tongues(named=None, allowed=("fr", "en"))
    assert tongues.begin([("es", 0.8), ("en", 0.15), ("fr", 0.05)]) == "en"
    tongues.heard(clip(9.0), "en")

    assert tongues.choose(clip(9.0), [("es", 0.8), ("fr", 0.15), ("en", 0.05)]) == "fr"
    assert tongues.choose(clip(9.0), [("es", 1.0)]) == "en"
    assert Tongues(named=None, allowed=("fr", "en")).begin([("es", 1.0)]) == "fr"


@pytest.mark.parametrize(
    ("found", "mixed"),
    [
        ([("en", 0.96), ("es", 0.04)], False),
        ([("en", 0.94), ("es", 0.06)], True),
        ([("en", 0.6), ("la", 0.4)], False),  # Latin is not spoken here
        ((), False),
    ],
)
def test_a_clip_that_is_sure_of_its_language_is_not_mixed(found, mixed):
    assert Tongues(named=None, allowed=("en", "es")).may_be_mixed(found) is mixed
    assert not Tongues(named="en").may_be_mixed(found)


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ([(4, "en", 0.9), (4, "es", 0.9)], [(0, 1, "en"), (1, 2, "es")]),
        ([(4, "en", 0.9), (4, "en", 0.9), (4, "es", 0.9)], [(0, 2, "en"), (2, 3, "es")]),
        ([(4, "en", 0.9), (1, "es", 0.9), (4, "es", 0.6), (4, "es", 0.9)], [(0, 3, "en"), (3, 4, "es")]),
        ([(1, "fr", 0.9), (4, "en", 0.9), (4, "es", 0.9)], [(0, 2, "en"), (2, 3, "es")]),
        ([(4, "en", 0.9), (4, "en", 0.9)], []),
        ([(4, "en", 0.9), (4, "es", 0.6)], []),
        ([(4, "en", 0.6), (4, "es", 0.6)], []),
        ([(4, "en", 0.9), (2.9, "es", 0.9)], []),
    ],
)
def test_the_parts_of_a_clip_go_together_by_language(parts, expected):
    """What is short or doubtful goes with the part before it, and at the start with the one after."""
    clips = [
        Clip(
            start_s=20.0 * place,
            end_s=20.0 * place + spoken_s,
            speech=((20.0 * place, 20.0 * place + spoken_s),),
        )
        for place, (spoken_s, _, _) in enumerate(parts)
    ]
    found = {
        clip: [(code, sure), ("la", 1 - sure)] for clip, (_, code, sure) in zip(clips, parts, strict=True)
    }

    runs = Tongues(named=None).apart(clips, found.__getitem__)

    assert [(clip.start_s / 20, len(clip.speech), language) for clip, language in runs] == [
        (first, end - first, language) for first, end, language in expected
    ]
    assert [clip.end_s for clip, _ in runs] == [clips[end - 1].end_s for _, end, _ in expected]


def test_a_clip_has_parts_between_its_pauses():
    clip = Clip(start_s=1.0, end_s=9.0, speech=((1.0, 3.0), (3.0, 4.0), (4.05, 5.0), (5.2, 9.0)))

    assert [(part.start_s, part.end_s, len(part.speech)) for part in clip.parts()] == [
        (1.0, 5.0, 3),
        (5.2, 9.0, 1),
    ]
    assert Clip(start_s=1.0, end_s=3.0).parts() == [Clip(start_s=1.0, end_s=3.0)]


def test_how_much_is_spoken():
    assert clip(4.0).spoken_s == 4.0
    assert Clip(start_s=1.0, end_s=3.0).spoken_s == 2.0
