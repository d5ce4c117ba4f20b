"""Transcripts of passages join to one, in text and in time."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speechhub.engine import Segment, Transcript, Word
from speechhub.services.transcript_join import Joiner

TEXTS = st.lists(
    st.text(alphabet=st.sampled_from([*"ab .,5你好。ไทย한글"]), max_size=12).map(str.strip), max_size=6
)


def heard(text, *, spaced=True, language="en", duration_s=2.0):
    space = " " if spaced else ""
    word = Word(text=space + text, start_s=0.25, end_s=1.75)
    segment = Segment(text=space + text, start_s=0.25, end_s=1.75, words=(word,))
    return Transcript(
        text=text, language=language, duration_s=duration_s, segments=(segment,) if text else ()
    )


def join(*transcripts, **finish):
    joiner = Joiner()
    deltas = [joiner.add(transcript, 10.0 * number) for number, transcript in enumerate(transcripts)]
    whole = joiner.finish(**{"duration_s": 99.0, "language": None} | finish)
    assert "".join(deltas) == whole.text
    assert "".join(segment.text for segment in whole.segments).strip() == whole.text
    return whole


@pytest.mark.parametrize(
    ("left", "right", "whole"),
    [
        ("Good morning.", "How are you?", "Good morning. How are you?"),
        ("good", "morning", "good morning"),
        ("안녕하세요.", "반갑습니다.", "안녕하세요. 반갑습니다."),
        ("你好。", "今天很好。", "你好。今天很好。"),
        ("你好", "今天", "你好今天"),
        ("今日は", "晴れです", "今日は晴れです"),
        ("สวัสดี", "ครับ", "สวัสดีครับ"),
        ("你好。", "Hello.", "你好。Hello."),
        ("Hello.", "你好。", "Hello.你好。"),
        ("", "Hello.", "Hello."),
        ("Hello.", "", "Hello."),
    ],
)
def test_texts_join_as_their_script_does(left, right, whole):
    """A space where the script has spaces, and none in Chinese, Japanese or Thai."""
    assert join(heard(left), heard(right)).text == whole
    assert join(heard(left, spaced=False), heard(right, spaced=False)).text == whole


def test_times_are_those_of_the_recording():
    """Segments and words are moved to where their passage stands; nothing else changes."""
    whole = join(heard("one"), heard("two"), duration_s=30.0)

    assert [(s.text, s.start_s, s.end_s) for s in whole.segments] == [
        (" one", 0.25, 1.75),
        (" two", 10.25, 11.75),
    ]
    assert [(w.text, w.start_s, w.end_s) for w in whole.words] == [
        (" one", 0.25, 1.75),
        (" two", 10.25, 11.75),
    ]
    assert whole.duration_s == 30.0


def test_first_words_get_the_space_that_their_text_gets():
    """Words join to the text, too, whether or not the engine began them with a space."""
    whole = join(heard("one", spaced=False), heard("two", spaced=False))

    assert "".join(word.text for word in whole.words) == "one two"


def test_language_is_that_of_the_first_text():
    """A passage without speech says nothing about the language; a certain one wins."""
    passages = heard("", language="xx"), heard("Hallo", language="de"), heard("Hello", language="en")

    assert join(*passages).language == "de"
    assert join(*passages, language="fr").language == "fr"


def test_nothing_joins_to_nothing():
    assert join().text == ""
    assert join(heard(""), heard("")).segments == ()


@given(TEXTS, st.data())
def test_pieces_join_to_the_text_exactly(texts, data):
    """However an engine cuts its text into pieces, spaces and all, the deltas are the transcript's text."""
    joiner, deltas = Joiner(), []
    for number, text in enumerate(texts):
        streamed = data.draw(st.sampled_from(["", " "])) + text + data.draw(st.sampled_from(["", " "]))
        places = sorted(data.draw(st.lists(st.integers(0, len(streamed)), max_size=4)))
        for start, end in zip([0, *places], [*places, len(streamed)], strict=True):
            deltas.append(joiner.feed(streamed[start:end]))
        deltas.append(joiner.add(heard(text), 10.0 * number))

    whole = joiner.finish(duration_s=99.0, language=None)

    assert "".join(deltas) == whole.text
    assert "".join(segment.text for segment in whole.segments).strip() == whole.text
    assert whole.text == join(*map(heard, texts)).text


def test_text_that_was_not_streamed_comes_with_the_transcript():
    joiner = Joiner()

    assert joiner.feed("Good") == "Good"
    assert joiner.add(heard("Good morning."), 0.0) == " morning."


def test_what_was_streamed_cannot_be_taken_back():
    """An engine that changes its mind changes nothing that was sent."""
    joiner = Joiner()

    joiner.feed("Good night")

    assert joiner.add(heard("Good morning."), 0.0) == ""
    assert joiner.finish(duration_s=1.0, language=None).text == "Good night"
