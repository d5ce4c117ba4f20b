"""Long texts are cut into whole sentences."""

import re
import time

import hypothesis.strategies as st
import pytest
import sentencex
from hypothesis import example, given, settings

from speechhub.services import segmentation
from speechhub.services.segmentation import ends_sentence, language_of, piece_chars, split_text
from tests.generated import examples


def cut(text, **rules):
    """Return all pieces of a text."""
    return list(split_text(text, **rules))


def test_a_short_text_stays_whole():
    """Nothing is cut that need not be."""
    assert cut("One. Two. Three.", limit_chars=100) == ["One. Two. Three."]


@pytest.mark.mission("6.9")
def test_a_long_text_is_cut_between_sentences():
    """Each piece holds as many whole sentences as fit; an abbreviation ends none."""
    text = "Dr. Brown came at nine. He was late. Nobody minded. The tea was cold by then."

    assert cut(text, limit_chars=40) == [
        "Dr. Brown came at nine. He was late.",
        "Nobody minded. The tea was cold by then.",
    ]


def test_the_first_sentence_can_stand_alone():
    """An engine without streaming speaks the first sentence first, however short the text is."""
    assert cut("It rains. It snows. It shines.", limit_chars=99, first_alone=True) == [
        "It rains.",
        "It snows. It shines.",
    ]


def test_chinese_sentences_end_without_spaces():
    """Full-width punctuation ends sentences too."""
    assert cut("今天天气很好。我们去公园吧！好吗？", limit_chars=8) == [
        "今天天气很好。",
        "我们去公园吧！",
        "好吗？",
    ]


def test_an_endless_sentence_is_cut_at_a_clause_then_at_a_space():
    """What has no end within the limit is cut where it hurts least."""
    assert cut("first of all, there was light everywhere", limit_chars=20) == [
        "first of all,",
        "there was light",
        "everywhere",
    ]
    assert cut("x" * 25, limit_chars=10) == ["x" * 10, "x" * 10, "x" * 5]


SENTENCES = {
    "en": [
        "See e.g. Paris, i.e. the capital.",
        "It cost $3.50 at 9 a.m. on Jan. 5, 2026!",
        "“Really?” she asked.",
        "hello there.",
        "2*3*4 is 24.",
        "Version 2.0.1 is out…",
    ],
    "de": [
        "Das ist z. B. das Haus von Dr. Müller.",
        "Er kam am 3. Oktober um ca. 5 Uhr.",
        "„Komm herein.“",
        "Nr. 7 fehlt usw. und so fort.",
        "Am 12.11.2026 war’s 1.000 € wert.",
    ],
    "es": [
        "El Sr. García vive en la Avda. Colón núm. 5.",
        "¿Cómo está Ud.?",
        "¡Qué bien!",
    ],
    "zh": ["今天天气很好。", "价格是3.5元！", "“好吗？”", "他问……真的？"],
    "ja": ["今日は良い天気です。", "3.5円です！", "本当？", "はい。"],
    "ar": ["مرحبا بك.", "كيف حالك؟", "أنا بخير، شكرا!"],
    "hi": ["यह अच्छा है।", "वह कहाँ है?"],
    "ru": ["Это г. Москва.", "Ты где?"],
}


@pytest.mark.parametrize("language", SENTENCES)
def test_sentences_end_where_a_reader_stops(language):
    """Not at abbreviations, numbers, dates and ordinals; quotes stay whole, and nothing is changed."""
    sentences = SENTENCES[language]
    text = ("" if language in ("zh", "ja") else " ").join(sentences)

    assert language_of(text, [language]) == language
    assert cut(text, language=language, each_alone=True) == sentences
    assert all(map(ends_sentence, sentences))


def test_a_paragraph_ends_a_sentence():
    """Headlines have no full stop; a line that was only wrapped does not end."""
    text = "A headline\n\nFirst of all,\nthere was light. Then not."

    assert cut(text, each_alone=True) == ["A headline", "First of all,\nthere was light.", "Then not."]


def test_what_has_no_word_is_never_alone():
    """Numbers of a list, emojis and dots belong to the sentence behind them, if there is one."""
    assert cut("1. First point. 2. Second one. 🎉 Hooray!\n\n* * *", each_alone=True) == [
        "1. First point.",
        "2. Second one.",
        "🎉 Hooray!",
        "* * *",
    ]


def test_a_text_without_an_end_is_cut_at_spaces():
    """What is cut does not count as the end of a sentence, and so gets no pause."""
    pieces = cut("the fox jumps and jumps " * 100, limit_chars=50)

    assert all(piece.startswith(("the", "fox", "jumps", "and")) for piece in pieces)
    assert not any(map(ends_sentence, pieces))


@pytest.mark.parametrize("whole", ["👩‍👩‍👧‍👦", "🧑🏽", "é", "नि"])
def test_no_character_is_cut_in_two(whole):
    """Families of emojis, skin tones, accents and vowel signs stay with what they belong to."""
    pieces = cut(whole * 50, limit_chars=16)

    assert "".join(pieces) == whole * 50
    assert all(len(piece) % len(whole) == 0 for piece in pieces)


def test_characters_that_are_words_count_more():
    """A thousand of them would keep all others waiting for minutes."""
    assert piece_chars("今天天气很好。" * 300) < piece_chars("It rains. " * 300) == 1000


@pytest.mark.parametrize(
    ("text", "known", "language"),
    [
        ("Hallo.", ["de"], "de"),
        ("Hola.", ["zh", "en", "ja", "es"], "en"),
        ("Hallo.", [], "en"),
        ("漢字とかな", ["zh", "ja"], "ja"),
        ("汉字。OK", ["en"], "zh"),
    ],
)
def test_letters_tell_the_language_first(text, known, language):
    """Then the model, if it has only one."""
    assert language_of(text, known) == language


@given(st.text(max_size=200).filter(str.strip), st.sampled_from([*SENTENCES, "xx"]), st.booleans())
@settings(deadline=None)
def test_any_text_comes_back_whole(text, language, each_alone):
    """Whatever characters it has, in whatever language it is said to be."""
    pieces = cut(text, language=language, limit_chars=30, each_alone=each_alone)

    assert all(piece.strip() and len(piece) <= 30 for piece in pieces)
    assert "".join("".join(pieces).split()) == "".join(text.split())


@pytest.mark.mission("6.9")
@given(st.text(alphabet="ab .!?,。，\n", min_size=1, max_size=300), st.integers(5, 60), st.booleans())
def test_nothing_is_lost_and_nothing_is_too_long(text, limit, first_alone):
    """Every letter is spoken once and in order, in pieces within the limit."""
    pieces = cut(text, limit_chars=limit, first_alone=first_alone)

    assert all(len(piece) <= limit for piece in pieces)
    assert "".join("".join(pieces).split()) == "".join(text.split())


REPEATED = ["。1", "1. ", ".", "字。", "a. ", "' ", "「", "\n", "\u0301", "👩\u200d", "Mr. ", "\u200b"]


def cpu_s(job):
    """Return the least CPU time of three runs, in seconds."""
    times = []
    for _ in range(3):
        began = time.process_time()
        job()
        times.append(time.process_time() - began)
    return min(times)


def assert_time_grows_with_length(unit):
    def work(length):
        text = (unit * length)[:length]
        if not text.strip():
            return
        for piece in cut(
            text, language=language_of(text, ()), limit_chars=piece_chars(text), each_alone=True
        ):
            ends_sentence(piece)

    assert cpu_s(lambda: work(16_000)) <= max(0.25, 8 * cpu_s(lambda: work(4_000)))


@pytest.mark.parametrize("unit", REPEATED)
def test_time_grows_with_the_length_and_no_faster(unit):
    """Four times the text takes some four times as long: it was up to 0.75 s for 10,000 characters."""
    assert_time_grows_with_length(unit)


@settings(max_examples=examples(10), deadline=None)
@example(unit="\u200b'1\"")  # has no end of a sentence anywhere
@example(unit="\u200d")
@given(st.text(st.sampled_from("a1.。!؟ \n,、「」\"'()\u0301\u200d\u200b字é👩-"), min_size=1, max_size=4))
def test_time_grows_with_the_length_of_any_text(unit):
    """Scripts, signs and characters without width, in any order."""
    assert_time_grows_with_length(unit)


@given(st.text("ab.。!? \n1,…\t", max_size=40))
def test_a_sentence_ends_as_the_rule_says(piece):
    """A mark ends it, whatever follows that is no letter; so does a line end behind it."""
    rule = re.search(r"[.!?…。！？؟।॥]\W*$|\n\s*$", piece)

    assert ends_sentence(piece) == (rule is not None)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_long_text_is_cut_as_its_parts_are(language):
    """What is cut window by window has the sentences that it would have at once."""
    sentence = {"en": "Dr. Brown came at 9.30 and left. ", "zh": "今天天气很好，我们去公园吧。"}[language]
    text = sentence * 600

    assert cut(text, language=language, each_alone=True) == [sentence.strip()] * 600


@pytest.mark.parametrize("sentence", ["One more sentence. ", "1. "], ids=["words", "no words"])
def test_a_text_is_cut_while_it_is_spoken(sentence):
    """The first piece does not wait for the rest, which its client may no longer want."""
    asked = []

    class Sentencex:
        def segment(self, language, text):
            asked.append(text)
            return sentencex.segment(language, text)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(segmentation, "sentencex", Sentencex())
        next(split_text((sentence * 3500)[:10_000]))

    assert sum(map(len, asked)) <= 3 * segmentation.WINDOW_CHARS


def test_a_piece_has_a_thousand_characters_at_most():
    """Where nothing else is said; a text of just so many stays whole, and pieces are filled."""
    sentence = "It rained all day, and we stayed at home. "  # 42 characters
    longest = (sentence * 24)[:999] + "."

    pieces = cut(sentence * 60)

    assert cut(longest) == [longest]
    assert len(cut(longest + " Yes.")) == 2
    assert [len(piece) for piece in pieces] == [965, 965, 587]
    assert piece_chars("It rains.") == 1000
