"""Texts that arrive in parts: the sentences are those of the whole text, and come as soon as they can."""

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from speechhub.engine import Slot, TtsCapabilities, Voice
from speechhub.services.catalog import Catalog
from speechhub.services.segmentation import clause_end
from speechhub.services.streamed_speech import written
from speechhub.services.text_rules import TextRules
from speechhub.speakable import Normalization
from tests.fakes.placements import CPU, placement, placements
from tests.generated import examples

MODELS = placements(
    placement(
        "mouth",
        slot=Slot.TTS,
        device=CPU,
        voices=(Voice(id="anna"),),
        capabilities=TtsCapabilities(streaming=True),
    )
)
MODEL = Catalog(MODELS).tts("mouth")
TEXTS = {
    "plain": "Hello there. This is the second sentence, which is longer. And a third! Is it? Yes.",
    "abbreviations": "Dr. Smith met Mr. Jones at 5 p.m. on Monday. They had a talk, e.g. about cats. Good.",
    "numbers": "It costs $19.99 today. Version 1.2.3 is out. The year 2024 was fine. Pi is 3.14159, I think.",
    "quotes": '"Hello," she said. "How are you?" He said: "Fine." Then (really.) they left. “So.” Right.',
    "bold": "**Warning. This is hot** and *so is this. Or that* too. Then `a. B` follows. It ends.",
    "link": "See [the manual. It is long](https://example.org/a.b) now. Visit https://example.org/x.y. Bye.",
    "fence": "Try this:\n\n```python\nprint('a. B')\n\nx = 1\n```\n\nThat was it. Good bye.",
    "list": "Buy these things:\n\n- Milk. The fresh one\n- Eggs\n- Bread. Two loaves\n\nThat is all. Thanks.",
    "numbered": "Steps:\n1. Open it. Look inside.\n2. Close it.\n3. Done.\n\nEasy. Right?",
    "heading": "# A title. With two\n\nThe text begins. It goes on.\n\n## Another\nMore text. The end.",
    "table": "Look:\n\n| Name | Size |\n|---|---|\n| One. A | 5 |\n| Two | 6 |\n\nThat was a table. Yes.",
    "tags": "One <break time='2s'/> two. <b>Bold. Very</b> so. Three &amp; four. x < y. Then <i>z</i>. End.",
    "breaks": 'First. <break time="2s"/> Second.\n<break strength="weak"/>Third. <p>Four.</p> It ends.',
    "attributes": 'It is. <b class="x">Five. Six</b>. Seven. <i>Eight. Nine. Ten</i>. Eleven.',
    "document": "<speak>First. <break time='1s'/>Second "
    "<say-as interpret-as='characters'>AB</say-as>. Third.</speak>",
    "chinese": "你好。今天天气很好！我们去公园吧。“真的吗？”她问。"
    "是的。他说他们已经在那里等了很久了，我们得快一点。",
    "japanese": "こんにちは。今日はいい天気ですね。「本当ですか。」彼女は言った。はい。",
    "ellipses": "Wait... Then it came. Oh… I see. Well. . . no. What?! Really?!! Yes...",
    "paragraphs": "First line\n\nSecond paragraph. It has two.\r\n\r\nThird.\n\nThe last one",
    "long": "This sentence has no end for quite a while, as it goes on, and on, and on, until it stops. So.",
    "emoji": "Great! 🎉 Next one. 😀 Done 👍. Bye.",
    "math": "2 * 3 * 4 is 24. And 2 ** 3 is 8. I <3 you. Is a_b_c a name? f**k this. It is.",
}
PIECES = st.lists(st.integers(1, 30), min_size=1, max_size=20)


def new(mode=Normalization.AUTO, words_in="en"):
    return written(TextRules(model=MODEL, normalization=mode), words_in)


def parts(text, lengths):
    """Cut *text* into parts of these lengths, again and again."""
    place = number = 0
    while place < len(text):
        yield text[place : place + lengths[number % len(lengths)]]
        place += lengths[number % len(lengths)]
        number += 1


def said(text, lengths, mode=Normalization.AUTO):
    """Return what comes out, and how much of it before the text had ended."""
    made = new(mode)
    found = []
    for part in parts(text, lengths):
        made.write(part)
        found += made.ready()
    early = len(found)
    found += made.rest(at_end=True)
    return [(piece.text, piece.pause) for piece in found], early


@pytest.mark.parametrize("name", TEXTS)
@settings(max_examples=examples(40))
@given(lengths=PIECES)
def test_any_way_of_cutting_gives_the_same_sentences(name, lengths):
    """The pauses between them, too: what follows never changes what went out."""
    assert said(TEXTS[name], lengths)[0] == said(TEXTS[name], [10**6])[0]


@pytest.mark.parametrize(
    ("parts", "ready"),
    [
        (["Hello there."], []),
        (["Hello there. "], []),
        (["Hello there. Ho"], []),
        (["Hello there. How "], ["Hello there."]),
        (["It costs 3.", "5 euros. Th"], []),
        (["This is by Dr. ", "Smith and "], []),
        (["**Bold. More "], []),
        (["**Bold. More ", "words** here. And "], ["Bold.", "More words here."]),
        (["你好。", "我"], ["你好。"]),
        (["One <bre", "ak time='2s'/> two. Th", "en "], ["One", "two."]),
        (['First. <break time="2s"/>'], []),
        (['First. <break time="2s"/>', " Second "], ["First."]),
        (["```\ncode. More code.\n"], []),
    ],
)
def test_a_sentence_is_ready_when_nothing_can_change_it(parts, ready):
    """No sooner, and no later than with the first word of the next."""
    made, found = new(), []
    for part in parts:
        made.write(part)
        found += made.ready()

    assert [piece.text for piece in found] == ready


def test_markup_that_is_never_closed_holds_a_text_for_a_while_only():
    """Then it is read as if it had ended."""
    made, found = new(), []
    for _ in range(60):
        made.write("*A note that goes on. ")
        found += made.ready()

    assert found
    assert all("*" not in piece.text[1:] for piece in found)


@pytest.mark.parametrize(
    ("text", "ends"),
    [
        ("Hello there.", True),
        ("Hello there. ", True),
        ("Hello, ", False),
        ("Hello", False),
        ("你好。", True),
    ],
)
def test_what_may_be_a_sentence_after_a_pause(text, ends):
    """What ends like one; and nothing is none."""
    made = new(words_in=None)
    made.write(text)

    assert made.ends() == ends


@pytest.mark.parametrize(
    ("text", "clause"),
    [
        ("Short, and good.", None),
        (
            "Well, this sentence goes on for quite some while, and then it goes on.",
            "Well, this sentence goes on for quite some while,",
        ),
        (
            "This sentence has no comma at all in its first sixty characters, but later it has.",
            "This sentence has no comma at all in its first sixty characters,",
        ),
        ("This costs exactly 1,5 euros which is not very much for something so fine as 2,5", None),
        ("他说他们已经在那里等了很久了，我们得快一点，不然就来不及了。", "他说他们已经在那里等了很久了，"),
    ],
)
def test_a_long_opening_is_cut_at_a_clause(text, clause):
    """Where there is one; a comma in a number is none."""
    end = clause_end(text)

    assert (text[:end] if end else None) == clause


@pytest.mark.parametrize(
    "text", ["\n" * 4000, "a.\n" + "\n" * 4000 + "b. c", "." * 4000, "<" * 4000, "- " * 2000, "**a. " * 800]
)
def test_odd_texts_end(text):
    """In time that grows with their length, and with all of their words."""
    made = new(words_in=None)
    made.write(text)
    found = made.ready() + made.rest(at_end=True)

    assert "".join(piece.text for piece in found).count("a") == text.count("a")
