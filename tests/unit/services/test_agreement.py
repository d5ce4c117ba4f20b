"""Agreement of hypotheses: what goes out while somebody speaks, and that it is never taken back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speechhub.services.agreement import Agreement


def said(*hypotheses):
    """Return what goes out after each hypothesis."""
    agreement = Agreement()
    return [agreement.hear(text) for text in hypotheses]


def test_what_two_hypotheses_agree_on_goes_out_but_for_the_last_word():
    """That word may be half spoken. Deltas bring their own spaces."""
    assert said(
        "The",
        "The quick brown",
        "The quick brown fox jumps",
        "The quick brown fox jumps over the lazy",
    ) == ["", "", "The quick", " brown fox"]


def test_case_and_marks_do_not_matter():
    """Engines set them anew with every word; what goes out is as the last hypothesis has it."""
    assert said("the quick. Brown fox", "The quick, brown fox? jumps") == ["", "The quick, brown"]


def test_a_hypothesis_that_contradicts_what_is_out_ends_the_deltas():
    """Not even later ones that agree again bring any: which of them is right, nothing tells."""
    agreement = Agreement()
    for text in ("I have to bring", "I have to bring"):
        agreement.hear(text)

    assert agreement.said == "I have to"
    assert agreement.hear("I had to bring an umbrella") == ""
    assert agreement.contradicted
    assert [agreement.hear("I have to bring an umbrella") for _ in range(3)] == [""] * 3
    assert agreement.finish("I have to bring an umbrella.") == ""
    assert agreement.said == "I have to"


def test_words_that_are_not_out_may_change():
    """The last word was a guess."""
    assert said("I want to go", "I want two", "I want to go home", "I want to go home now") == [
        "",
        "I",
        "",
        " want to go",
    ]


@pytest.mark.parametrize(
    ("hypotheses", "deltas"),
    [
        (["今天天气", "今天天气很好", "今天,天气很好。我们"], ["", "今天天", "气很"]),
        (["今日は天気が", "今日は天気がいい。", "今日は天気がいい、です"], ["", "今日は天気", "がい"]),
        (["สวัสดี", "สวัสดีครับ", "สวัสดีครับผม"], ["", "สวัส", "ดีครั"]),
        (["我用 Python 写", "我用 Python 写代码"], ["", "我用 Python"]),
        (["안녕하세요 저는", "안녕하세요 저는 학생"], ["", "안녕하세요"]),
    ],
    ids=["Chinese", "Japanese", "Thai", "mixed", "Korean"],
)
def test_scripts_without_spaces_agree_by_characters(hypotheses, deltas):
    """Vowel signs stay with their consonant."""
    assert said(*hypotheses) == deltas


def test_what_an_engine_calls_stable_goes_out_at_once():
    """It may end inside a word, which then goes on."""
    agreement = Agreement()

    deltas = [agreement.hear(*heard) for heard in [("  hel", 5), ("hello wor", 6), ("hello world of", 11)]]

    assert deltas == ["hel", "lo", " world"]
    assert agreement.hear("help", 0) == ""
    assert agreement.contradicted


def test_the_transcript_completes_what_is_out():
    """Also when nothing is; its marks may differ from those that are out."""
    agreement = Agreement()
    assert agreement.finish(" The quick fox. ") == "The quick fox."
    other = Agreement()
    for text in ("The quick brown fox", "The quick brown fox"):
        other.hear(text)
    assert other.said == "The quick brown"
    assert other.finish("The quick, brown fox.") == " fox."
    assert other.finish("The quick, brown fox.") == "", "all of it is out"


def test_it_knows_which_text_is_out():
    """Marks and case do not matter."""
    agreement = Agreement()
    for text in ("One two. Three four", "One two. Three four"):
        agreement.hear(text)

    assert agreement.holds("one two")
    assert agreement.holds("One two. Three")
    assert not agreement.holds("One two. Three four")
    assert not agreement.holds("One three")


WORDS = st.lists(st.sampled_from(["a", "A,", "b.", "bc", "你", "好。", "ส", "ี", "?"]), max_size=6)
TEXTS = st.tuples(WORDS, st.sampled_from(["", " ", "  "])).map(lambda it: it[1].join(it[0]))


@given(heard=st.lists(st.tuples(TEXTS, st.integers(-1, 9)), max_size=8), final=TEXTS)
def test_what_is_out_only_grows(heard, final):
    """Deltas join to what is out, each is a part of its hypothesis, and none follows a contradiction."""
    agreement, out = Agreement(), ""
    for text, stable in heard:
        silent = agreement.contradicted
        delta = agreement.hear(text, stable)
        out += delta
        assert agreement.said == out
        assert not (silent and delta)
        assert out == out.strip()
        assert delta in text
    out += agreement.finish(final)
    assert agreement.said == out
    assert not agreement.finish(final), "the transcript is out at most once"


@given(words=st.lists(st.sampled_from(["alpha", "beta.", "Gamma", "delta,"]), min_size=1, max_size=12))
def test_hypotheses_that_only_grow_come_out_whole(words):
    """Each word goes out once, in its place, and at the end all of them are out."""
    agreement = Agreement()
    deltas = [agreement.hear(" ".join(words[:count])) for count in range(1, len(words) + 1)]
    deltas.append(agreement.finish(" ".join(words)))

    assert "".join(deltas).split() == " ".join(words).split()
