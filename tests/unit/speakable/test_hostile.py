"""No text takes more time than its length: regular expressions and parsers can have quadratic cases."""

import time

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from speechhub.speakable import Normalization, read
from tests.generated import examples

pytestmark = pytest.mark.lengthy

REPEATED = [
    "[",
    "![",
    "[[a]",
    "[a](",
    "[*a",
    "*",
    "**a *b ",
    "_a_",
    "` ",
    "> ",
    ">\n",
    "|",
    "a|\n-|\n",
    "<",
    "<a ",
    "<b>",
    "<a b='",
    "<!--",
    "<script>",
    "<sub alias=x>",
    '<break time="10s"/>',
    "<speak>",
    "&",
    "\\",
    "~~a",
    "```\n",
    "[^1]",
    "[x]: http://a\n",
    "a… ",
    ".",
    ". ",
    "http://",
    "www.",
    "👩\u200d",
    "🎉 ",
    "\n",
    "a\n",
    " ",
    "a\n\n",
    "1. a\n",
    "- - ",
    "\ufdd3",
    '"',
    "===\n",
    "-|-\n",
    "!\n\n",
    "<sub alias=x>y</sub>",
    "a**b",
    "aa**",
    "__a_",
]


def cpu_s(*texts):
    """Return the least CPU time of five runs for each text, in seconds; they take turns on a busy machine."""
    times = {text: [] for text in texts}
    for text in texts * 5:
        began = time.thread_time()
        list(read(text))
        times[text].append(time.thread_time() - began)
    return [min(times[text]) for text in texts]


@pytest.mark.parametrize("unit", REPEATED)
def test_time_grows_with_the_length_and_no_faster(unit):
    """Four times the text takes some four times as long."""
    short, long = (unit * 24_000)[:6_000], (unit * 24_000)[:24_000]

    short_s, long_s = cpu_s(short, long)
    assert long_s <= max(0.25, 8 * short_s)


PARTS = [
    "#",
    "*",
    "_",
    "`",
    "~",
    "[",
    "]",
    "(",
    ")",
    "<",
    ">",
    "&",
    ";",
    "|",
    "-",
    "1.",
    "\n",
    " ",
    "\\",
    "!",
    "a",
    "B",
    "你",
    "🎉",
    "…",
    "http://x",
    "<br>",
    "<speak>",
    "</speak>",
    "<break/>",
    "<p>",
    "<!--",
    "-->",
    "\u202e",
    "\ufdd0",
    "\ud800",
]


@pytest.mark.parametrize("mode", [Normalization.AUTO, Normalization.MARKDOWN])
@settings(max_examples=examples(200), deadline=None)
@given(parts=st.lists(st.sampled_from(PARTS), max_size=40))
def test_any_text_is_read(mode, parts):
    """Whatever stands beside what; lines have no ends inside, no marks, and a pause that is a number."""
    for line in read("".join(parts), mode):
        assert not {"\n", "\ufdd0", "\ufdd1", "\ufdd2", "\ufdd3", "\ufdd4"} & set(line.text)
        assert line.text or line.asked
        assert line.pause_s is None or line.pause_s > 0
