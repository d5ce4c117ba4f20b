"""What an engine gets to speak, and what a client is told of it."""

import json

import pytest

from tests.http.test_speech import seconds

CASE = """\
### Example Heading

Here is **bold** and *italic* text, `code()`.

- one
- two
"""


@pytest.fixture
def speak(http, runner):
    """Return a request's answer, and the texts that the engine got for it."""

    async def speak(text, **fields):
        runner.requests.clear()
        body = {"input": text, "model": "mouth", "response_format": "pcm", **fields}
        answer = await http.post("/v1/audio/speech", json=body)
        return answer, [request.text for _, request in runner.requests]

    return speak


@pytest.mark.parametrize("mode", [None, "auto", "markdown"])
async def test_markdown_is_not_spoken(speak, mode):
    """By default neither; short lines share a call of the engine, with stops between."""
    answer, texts = await speak(CASE, text_normalization=mode)

    assert answer.status_code == 200
    assert texts == ["Example Heading", "Here is bold and italic text, code().", "one; two"]


async def test_none_speaks_what_was_sent(speak):
    """But for space around it."""
    _, texts = await speak(CASE, text_normalization="none")

    assert texts == [CASE.strip()]


@pytest.mark.parametrize(
    ("text", "texts"),
    [
        ("Great job! 🎉👍🏽 See you.", ["Great job! See you."]),
        ("Chapter One\n\nIt was a dark night", ["Chapter One", "It was a dark night"]),
        ("I wonder… what she said", ["I wonder, what she said"]),
        ("Line one\r\nLine two\r\n", ["Line one. Line two"]),
        ('Hello <break time="1s"/> world', ["Hello", "world"]),
        ("2*3, C#, snake_case, a < b", ["2*3, C#, snake_case, a < b"]),
    ],
)
async def test_a_text_is_read_as_a_person_would(speak, text, texts):
    """Emoji, lines, ellipses, breaks; and what is plain is left alone."""
    assert (await speak(text))[1] == texts


@pytest.mark.parametrize("text", ["🎉", "<!-- note -->", "&nbsp;", "[1]: https://example.org", "<p></p>"])
async def test_a_text_of_which_nothing_is_said_is_a_short_silence(speak, text):
    """As one without words is; the engine is not asked."""
    answer, texts = await speak(text)

    assert answer.status_code == 200
    assert seconds(answer.content, "pcm") == pytest.approx(0.2)
    assert texts == []


async def test_a_pause_alone_is_as_long_as_it_is_asked_for(speak):
    """And one before the first word, or after the last, is heard as well."""
    alone, _ = await speak('<break time="2s"/>')
    around, _ = await speak('<speak><break time="1s"/>Hi<break time="2s"/></speak>')
    bare, _ = await speak("Hi")

    assert seconds(alone.content, "pcm") == pytest.approx(2.2)
    assert seconds(around.content, "pcm") == pytest.approx(seconds(bare.content, "pcm") + 3)


async def test_pauses_of_hours_are_refused_before_anything_is_spoken(speak, hub):
    """Ten thousand breaks in one text are its author's fault."""
    hub.speech._max_speech_s = 60

    answer, texts = await speak('a<break time="10s"/>' * 100)

    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["param"]) == (400, "speech_too_long", "input")
    assert texts == []


async def test_an_unknown_mode_is_refused(speak):
    """With the name of the field."""
    answer, texts = await speak("Hi", text_normalization="html")

    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "text_normalization")
    assert texts == []


async def test_events_tell_what_is_said(speak):
    """The first of them, line by line; usage counts the text as it was sent."""
    answer, _ = await speak(CASE, stream_format="sse")

    events = [json.loads(line[6:]) for line in answer.text.splitlines() if line.startswith("data: {")]
    told = [event.get("text") for event in events if event["type"] == "speech.audio.delta"]
    assert told[0] == "Example Heading\nHere is bold and italic text, code().\none\ntwo"
    assert len(told) > 1
    assert set(told[1:]) == {None}
    assert events[-1]["usage"]["input_tokens"] == -(-len(CASE) // 4)


async def test_events_tell_the_words_that_the_engine_gets(speak):
    """Where it reads no numbers itself, and the language is known."""
    answer, texts = await speak("It costs $5.30.", stream_format="sse", language="en")

    first = next(json.loads(line[6:]) for line in answer.text.splitlines() if line.startswith("data: {"))
    assert first["text"] == "It costs five dollars and thirty cents."
    assert texts == [first["text"]]


async def test_the_limit_counts_the_text_as_it_was_sent(speak):
    """Markup is part of it."""
    answer, _ = await speak("<b>" * 1365 + "ab")

    assert answer.status_code == 400
    assert "4097 characters" in answer.json()["error"]["message"]
