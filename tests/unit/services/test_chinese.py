"""Chinese transcripts in the script that a client asked for."""

import sys

import pytest

from speechhub.domain.script import ChineseScript
from speechhub.engine import Segment, Transcript, Word
from speechhub.errors import ConfigurationError
from speechhub.services.chinese import ScriptedDeltas, _load, convert, convert_transcript
from speechhub.services.transcription import TranscriptionJob
from tests.fakes.babble import talk

SAID = "软件里的内存，头发。U盘为什么坏了"
SCRIPTED = {
    ChineseScript.TAIWAN: "軟體裡的記憶體，頭髮。隨身碟為什麼壞了",
    ChineseScript.HONG_KONG: "軟件裏的內存，頭髮。U盤為什麼壞了",
    ChineseScript.TRADITIONAL: "軟件裏的內存，頭髮。U盤爲什麼壞了",
}


@pytest.fixture(scope="module")
def to_taiwan():
    return _load(ChineseScript.TAIWAN)


def transcript(*segments, language="zh"):
    """Return a transcript of segments, each of which is a list of words."""
    made = tuple(
        Segment(
            text="".join(words),
            start_s=0.0,
            end_s=1.0,
            words=tuple(Word(text=word, start_s=at, end_s=at + 1.0) for at, word in enumerate(words)),
        )
        for words in segments
    )
    text = "".join(segment.text for segment in made).strip()
    return Transcript(text=text, language=language, duration_s=9.0, segments=made)


def joins(result):
    """Tell whether words join to segments, and segments to the text."""
    return "".join(it.text for it in result.segments).strip() == result.text and all(
        "".join(word.text for word in it.words) == it.text for it in result.segments if it.words
    )


@pytest.mark.parametrize("script", SCRIPTED)
def test_each_script_has_its_conversion(script):
    assert convert(SAID, _load(script)) == SCRIPTED[script]


def test_traditional_becomes_simplified():
    assert convert("軟件裏的頭髮", _load(ChineseScript.SIMPLIFIED)) == "软件里的头发"


def test_words_are_converted_together_with_the_text(to_taiwan):
    """Words of one character each make one word of Taiwan's, which is longer than ours or not."""
    result = convert_transcript(transcript(list("软件，"), list("内存的鼠标。")), to_taiwan)

    assert result.text == "軟體，記憶體的滑鼠。"
    assert [it.text for it in result.segments] == ["軟體，", "記憶體的滑鼠。"]
    assert [word.text for word in result.segments[0].words] == ["軟", "體", "，"]
    assert joins(result)
    assert len(result.segments[1].words) == 6


def test_a_phrase_across_two_segments_stays_whole(to_taiwan):
    result = convert_transcript(transcript(["鼠"], ["标"]), to_taiwan)

    assert [it.text for it in result.segments] == ["滑", "鼠"]


def test_a_word_of_which_nothing_is_left_lengthens_the_one_before():
    shorter = {"三个字": "二"}.get
    result = convert_transcript(transcript(["三", "个", "字"]), lambda text: shorter(text, text))

    assert joins(result)
    assert result.text == "二"
    assert sum(word.end_s - word.start_s for word in result.words) >= 2.0


def test_what_does_not_join_is_converted_piece_by_piece(to_taiwan):
    segment = Segment(text="软件", start_s=0.0, end_s=1.0)
    result = convert_transcript(Transcript(text="头发", duration_s=1.0, segments=(segment,)), to_taiwan)
    assert (result.text, result.segments[0].text) == ("頭髮", "軟體")

    plain = convert_transcript(Transcript(text="头发", duration_s=1.0), to_taiwan)
    assert (plain.text, plain.segments) == ("頭髮", ())

    words = (Word(text="软", start_s=0.0, end_s=1.0),)
    odd = Segment(text="软件", start_s=0.0, end_s=1.0, words=words)
    assert (
        convert_transcript(Transcript(text="软件", duration_s=1.0, segments=(odd,)), to_taiwan).words == words
    )


def test_pieces_join_to_the_whole_wherever_they_are_cut(to_taiwan):
    """A phrase that a cut goes through is converted whole: what may still change is held back."""
    whole = convert(SAID, to_taiwan)
    for size in range(1, len(SAID) + 1):
        deltas = ScriptedDeltas(to_taiwan)
        sent = "".join(deltas.feed(SAID[at : at + size]) for at in range(0, len(SAID), size))
        assert whole.startswith(sent)
        assert sent == "軟體裡的記憶體，頭髮。"


# ── Through the service ──────────────────────────────────────────────────────


@pytest.fixture
def chinese_ears(runner):
    def hear(request):
        language = request.language or "zh"
        text = "软件的头发。" if language in ("zh", "yue") else "English 头发."
        segment = Segment(text=text, start_s=0.0, end_s=1.0)
        return Transcript(text=text, language=language, duration_s=1.0, segments=(segment,))

    runner.hear = hear
    return runner


@pytest.mark.parametrize(
    ("wish", "text"),
    [
        ({"language": "zh-TW"}, "軟體的頭髮。"),
        ({"language": "zh-HK"}, "軟件的頭髮。"),
        ({"language": "zh"}, "软件的头发。"),
        ({}, "软件的头发。"),
        ({"languages": ("en", "zh-Hant-TW")}, "軟體的頭髮。"),
        ({"language": "en", "languages": ("zh-TW",)}, "English 头发."),
    ],
)
@pytest.mark.parametrize("model", ["any-ears", "live-ears"])
async def test_the_tag_decides_the_script(service, chinese_ears, file_of, wish, text, model):
    """Of Chinese alone, of each passage, and in a stream as well."""
    job = TranscriptionJob(model=model, **wish)
    stream = await service.stream(file_of(talk(4, 3, 4)), job)
    *pieces, streamed = [event async for event in stream]
    await stream.aclose()
    whole = await service.transcribe(file_of(talk(4, 3, 4)), job)

    passages = 1 if model == "any-ears" else 2
    assert whole.text == streamed.text == "".join(pieces)
    assert whole.text.replace(" ", "") == (text * passages).replace(" ", "")
    assert whole.language in ("zh", "en")


async def test_hong_kong_speaks_cantonese_where_the_model_knows_it(service, chinese_ears, file_of):
    """The language of the answer is that of the speech."""
    whole = await service.transcribe(
        file_of(talk(4)), TranscriptionJob(model="cantonese-ears", language="zh-HK")
    )

    [(_, request)] = chinese_ears.requests
    assert request.language == whole.language == "yue"
    assert whole.text == "軟件的頭髮。"


def test_a_server_without_opencc_says_what_to_install(monkeypatch):
    """To its operator: a package that does not import is none of the client's business."""
    monkeypatch.setitem(sys.modules, "opencc", None)

    with pytest.raises(ConfigurationError, match=r"-m pip install --force-reinstall 'opencc"):
        _load(ChineseScript.TAIWAN)
