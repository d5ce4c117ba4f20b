"""Subtitles: readable, in order, within their limits, and well-formed."""

import html
import io
import re
import unicodedata
from itertools import pairwise

import pytest
import srt
import webvtt
from hypothesis import given, settings
from hypothesis import strategies as st

from speechhub.codecs.subtitles import Cue, cues, to_srt, to_vtt
from speechhub.domain.transcript import Segment, Transcript, Word
from tests.generated import examples


def speak(text, *, word_s=0.3, gap_s=0.0, pauses=None, start_s=0.0, speaker=None, spaced=True):
    """A segment whose words follow one another; *pauses* maps a word's index to the silence after it."""
    words, now_s = [], start_s
    for index, part in enumerate(text.split(" ") if spaced else text):
        words.append(Word(text=f" {part}" if spaced else part, start_s=now_s, end_s=now_s + word_s))
        now_s += word_s + gap_s + (pauses or {}).get(index, 0.0)
    return Segment(
        text="".join(word.text for word in words),
        start_s=start_s,
        end_s=words[-1].end_s,
        words=tuple(words),
        speaker=speaker,
    )


def transcript(*segments, duration_s=None):
    end_s = max((segment.end_s for segment in segments), default=0.0)
    text = "".join(segment.text for segment in segments).strip()
    return Transcript(text=text, duration_s=end_s if duration_s is None else duration_s, segments=segments)


def texts(found):
    return ["\n".join(cue.lines) for cue in found]


def columns(line):
    return sum(
        2
        if unicodedata.east_asian_width(c) in "WF"
        else 0
        if unicodedata.category(c) in ("Mn", "Me", "Cf")
        else 1
        for c in line
    )


def check_limits(found):
    for cue in found:
        assert 0 <= cue.start_ms < cue.end_ms <= cue.start_ms + 7_000
        assert 1 <= len(cue.lines) <= 2
        for line in cue.lines:
            assert line == line.strip() != ""
            assert columns(line) <= 42
            assert "\n" not in line
    for cue, following in pairwise(found):
        assert cue.end_ms <= following.start_ms


def squeezed(text):
    return "".join(c for c in text if not c.isspace())


# ── Cutting ──────────────────────────────────────────────────────────────────

RAINBOW = (
    "When the sunlight strikes raindrops in the air, they act as a prism and form a rainbow. "
    "The rainbow is a division of white light into many beautiful colors."
)


def test_cues_end_where_sentences_and_clauses_do():
    found = cues(transcript(speak(RAINBOW)))

    check_limits(found)
    assert texts(found) == [
        "When the sunlight strikes\nraindrops in the air,",
        "they act as a prism and form a rainbow.",
        "The rainbow is a division of white\nlight into many beautiful colors.",
    ]


def test_cue_has_the_times_of_its_words():
    first, second, third = cues(transcript(speak(RAINBOW)))

    assert (first.start_ms, first.end_ms) == (0, 2400)
    assert (second.start_ms, second.end_ms) == (2400, 5100)
    assert third.start_ms == 5100


def test_pause_ends_a_cue():
    found = cues(transcript(speak("one two three four", pauses={1: 1.5})))

    assert texts(found) == ["one two", "three four"]
    assert found[0].end_ms == 1000  # stays on for a second, so that it can be read
    assert (found[1].start_ms, found[1].end_ms) == (1867, 2700)  # and so begins the last one earlier


def test_short_cue_never_stays_on_into_the_next_or_past_the_end():
    found = cues(
        transcript(speak("one", speaker="A"), speak("two", start_s=0.4, speaker="B"), duration_s=0.9)
    )

    assert [(cue.start_ms, cue.end_ms) for cue in found] == [(0, 400), (400, 900)]


def test_slow_speech_is_cut_by_time():
    found = cues(transcript(speak("so very slow it is that I fell asleep", word_s=2.0)))

    check_limits(found)
    assert len(found) == 3


def test_speakers_do_not_share_a_cue():
    found = cues(transcript(speak("Hello.", speaker="A"), speak("Hi.", start_s=0.3, speaker="B")))

    assert texts(found) == ["Hello.", "Hi."]


def test_short_sentences_share_a_cue():
    assert texts(cues(transcript(speak("How are you? I am fine.")))) == ["How are you? I am fine."]


def test_line_breaks_between_clauses_of_like_length():
    (cue,) = cues(transcript(speak("If you are ready to go now, then we can leave at once.", word_s=0.2)))

    assert cue.lines == ("If you are ready to go now,", "then we can leave at once.")


def test_chinese_is_cut_at_its_punctuation_into_lines_of_21():
    text = (
        "当阳光照射到空气中的雨滴时,雨滴像棱镜一样形成彩虹。"
        "彩虹是将白光分成许多美丽的颜色,它们呈长圆弧形,路径高高在上。"
    )

    found = cues(transcript(speak(text, word_s=0.2, spaced=False)))

    check_limits(found)
    assert squeezed("".join(texts(found))) == text
    assert all(line[0] not in ",。" for cue in found for line in cue.lines)
    assert all(cue.lines[-1][-1] in ",。" for cue in found)
    assert not any(" " in line for cue in found for line in cue.lines)


@pytest.mark.parametrize(
    "text",
    [
        "안녕하세요 여러분 만나서 반갑습니다 오늘은 날씨가 정말 좋네요 그래서 우리는 공원에 갔습니다",
        "สวัสดีครับ" * 20,
        "ありがとうございます。" * 12,
    ],
)
def test_other_scripts_keep_their_text(text):
    for segment in (speak(text), Segment(text=text, start_s=0, end_s=20)):
        found = cues(transcript(segment))

        check_limits(found)
        assert squeezed("".join(texts(found))) == squeezed(text)


def test_korean_words_stay_whole_without_word_times():
    text = "안녕하세요 여러분 만나서 반갑습니다 오늘은 날씨가 정말 좋네요 그래서 우리는 공원에 갔습니다"

    found = cues(transcript(Segment(text=text, start_s=0, end_s=20)))

    assert " ".join(" ".join(cue.lines) for cue in found) == text


def test_words_in_parts_stay_whole():
    words = [(" I", 0), (" don", 1), ("'t", 2), (" co", 3), ("-operate", 4), (".", 5)]
    segment = Segment(
        text=" I don't co-operate.",
        start_s=0,
        end_s=6,
        words=tuple(Word(text=text, start_s=start, end_s=start + 1) for text, start in words),
    )

    assert texts(cues(transcript(segment))) == ["I don't co-operate."]


def test_word_longer_than_a_line_is_cut():
    found = cues(transcript(speak("x" * 200, word_s=5)))

    check_limits(found)
    assert squeezed("".join(texts(found))) == "x" * 200


# ── Long enough to be read ───────────────────────────────────────────────────


def said(*words, duration_s):
    """A transcript of one segment; each word has a start and an end."""
    found = tuple(Word(text=f" {text}", start_s=start, end_s=end) for text, start, end in words)
    segment = Segment(
        text="".join(word.text for word in found),
        start_s=found[0].start_s,
        end_s=found[-1].end_s,
        words=found,
    )
    return transcript(segment, duration_s=duration_s)


def shown(found):
    return [(cue.start_ms, cue.end_ms, " ".join(cue.lines)) for cue in found]


@pytest.mark.parametrize("end_s", [5.0, 5.001, 5.2])
def test_a_last_cue_begins_early_enough_to_be_read(end_s):
    """The recording ends with its last word, which has hardly any time or none."""
    found = cues(said(("Hello.", 0.0, 0.5), ("Bye.", 5.0, end_s), duration_s=end_s))

    last = round(end_s * 1000)
    assert shown(found) == [(0, 1000, "Hello."), (last - 833, last, "Bye.")]


def test_a_last_cue_takes_the_time_that_the_recording_has_left():
    """There is silence behind it."""
    found = cues(said(("Hello.", 0.0, 0.5), ("Bye.", 5.0, 5.0), duration_s=5.9))

    assert shown(found)[1] == (5000, 5900, "Bye.")


def test_words_without_time_take_some_of_the_cue_before():
    """An engine that runs out of audio gives all further words the end of the recording."""
    words = [(f"word{number}", number * 0.3, number * 0.3 + 0.3) for number in range(12)]
    rest = [(f"late{number:02}", 3.6, 3.6) for number in range(30)]

    found = cues(said(*words, *rest, duration_s=3.6))

    check_limits(found)
    assert min(cue.end_ms - cue.start_ms for cue in found) >= 600
    assert found[-1].end_ms == 3600
    assert " ".join(" ".join(cue.lines) for cue in found) == " ".join(word[0] for word in (*words, *rest))


@pytest.mark.parametrize("speakers", [("A", "B"), ("A", "B", "A", "B", "A")])
def test_quick_speakers_keep_their_times(speakers):
    """Cues that follow each other so fast have no more time."""
    turns = [speak("Yes.", word_s=0.4, start_s=0.4 * i, speaker=it) for i, it in enumerate(speakers)]

    found = cues(transcript(*turns))

    assert [(cue.start_ms, cue.end_ms) for cue in found] == [
        (400 * i, 400 * i + 400) for i in range(len(speakers))
    ]


def test_a_long_cue_stays_until_it_is_read():
    """Twenty columns in a second, where nothing follows; never beyond seven seconds."""
    text = "This was said so very fast that it can't be read in the time."
    found = cues(transcript(speak(text, word_s=0.1), speak("Next.", start_s=20.0)))

    assert (found[0].start_ms, found[0].end_ms) == (0, 50 * sum(map(columns, found[0].lines)))
    assert found[0].end_ms > 2_900


# ── Gaps ─────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("gap_s", [2.0, 5.0, 60.0, 3600.0])
@pytest.mark.parametrize("end", [".", "?", "!\u201d", "\u2026"])
def test_a_word_before_a_gap_is_not_glued_to_the_sentence_before(gap_s, end):
    """The rest of its sentence comes after the gap."""
    words = [("I", 0.0, 0.3), ("saw", 0.3, 0.6), (f"nothing{end}", 0.6, 1.0), ("But", 1.0, 1.3)]
    words += [
        ("then", 1.3 + gap_s, 1.6 + gap_s),
        ("she", 1.6 + gap_s, 1.9 + gap_s),
        ("came.", 1.9 + gap_s, 3 + gap_s),
    ]

    found = cues(said(*words, duration_s=10 + gap_s))

    check_limits(found)
    assert texts(found) == [f"I saw nothing{end}", "But", "then she came."]
    assert (found[1].start_ms, found[1].end_ms) == (1000, 2000)
    assert found[2].start_ms == round(1300 + gap_s * 1000)


def test_a_title_before_a_gap_ends_no_sentence():
    """Dr. and its like belong to the name that follows."""
    words = [("Ask", 0.0, 0.3), ("Dr.", 0.3, 0.6), ("Smith", 0.6, 1.0), ("please.", 9.0, 9.6)]

    assert texts(cues(said(*words, duration_s=10.0))) == ["Ask Dr. Smith", "please."]


def test_a_short_pause_within_a_sentence_moves_no_word():
    """One that a speaker makes for breath."""
    words = [("Yes.", 0.0, 0.3), ("I", 0.3, 0.6), ("am.", 1.7, 2.0)]

    assert texts(cues(said(*words, duration_s=3.0))) == ["Yes. I", "am."]


@pytest.mark.parametrize(
    ("first", "start_ms", "second"),
    [("Yes.", 60_500, "But no."), ("Yes", 1_500, "no.")],
    ids=["behind", "before"],
)
def test_a_word_that_lasts_a_minute_is_said_at_one_end_of_it(first, start_ms, second):
    """The first of a sentence behind the silence, and any other before it."""
    words = [(first, 0.0, 0.5), ("But", 0.5, 61.5), ("no.", 61.5, 62.0)]

    found = cues(said(*words, duration_s=63.0))

    check_limits(found)
    assert texts(found)[-1] == second
    assert found[0].start_ms == 0
    assert found[0].end_ms <= 2_000
    assert found[-1].start_ms in (60_500, 61_500)
    assert start_ms in (found[-1].start_ms, found[0].end_ms)


def test_the_first_word_of_a_recording_begins_behind_the_silence():
    """Engines count the silence at the start to it."""
    (cue,) = cues(said(("Hello", 0.0, 30.0), ("there.", 30.0, 30.5), duration_s=31.0))

    assert (cue.start_ms, cue.end_ms) == (29_000, 30_500)


@pytest.mark.parametrize(
    "wrong",
    [(1.0, 900.0), (900.0, 901.0), (1.0, 1.0), (0.0, 0.0)],
    ids=["ends", "begins", "no time", "early"],
)
def test_one_wrong_time_moves_no_other_word(wrong):
    """A word that ends, or begins, long after the next one is said before that."""
    words = [("One,", 0.0, 1.0), ("two,", *wrong), ("three.", 1.5, 3.0), ("Four.", 5.0, 6.0)]

    found = cues(said(*words, duration_s=7.0))

    check_limits(found)
    assert shown(found)[-1] == (5000, 6000, "Four.")
    assert shown(found)[0] == (0, 3000, "One, two, three.")


def test_a_segment_that_overlaps_the_next_ends_there():
    """The next one is on time."""
    first, second = Segment(text="One.", start_s=0, end_s=9), Segment(text=" Two.", start_s=3, end_s=4)

    assert [(cue.start_ms, cue.end_ms) for cue in cues(transcript(first, second))] == [
        (0, 3000),
        (3000, 4000),
    ]


# ── Without word times ───────────────────────────────────────────────────────


def test_segments_without_words_are_cues():
    found = cues(
        transcript(Segment(text=" One.", start_s=1, end_s=3), Segment(text=" Two.", start_s=3, end_s=4.5))
    )

    assert [(cue.start_ms, cue.end_ms, cue.lines) for cue in found] == [
        (1000, 3000, ("One.",)),
        (3000, 4500, ("Two.",)),
    ]


def test_a_few_words_in_a_minute_are_said_at_its_start():
    """A segment that an engine stretched over a silence; its words are not spread over it."""
    segment = Segment(text=" Hello there.", start_s=10, end_s=70)

    found = cues(transcript(segment, Segment(text=" Bye.", start_s=70, end_s=71)))

    assert shown(found) == [(10_000, 13_900, "Hello there."), (70_000, 71_000, "Bye.")]


def test_two_sentences_of_a_segment_share_its_time():
    """Each is a cue of its own where both do not fit into one."""
    text = " This is the first of two sentences in it. And this one is the second, which is longer."

    found = cues(transcript(Segment(text=text, start_s=0, end_s=9)))

    check_limits(found)
    assert [cue.lines[-1][-1] for cue in found] == [".", "."]
    assert (found[0].start_ms, found[-1].end_ms) == (0, 9000)


def test_long_segment_without_words_is_shared_out_by_length():
    found = cues(transcript(Segment(text=RAINBOW, start_s=10, end_s=22)))

    check_limits(found)
    assert " ".join(" ".join(cue.lines) for cue in found) == RAINBOW
    assert (found[0].start_ms, found[-1].end_ms) == (10_000, 22_000)
    assert found[1].start_ms == pytest.approx(10_000 + 12_000 * 47 / len(RAINBOW), abs=50)


def test_transcript_without_segments_is_shared_out_too():
    found = cues(Transcript(text="Hello there.", duration_s=2.5))

    assert found == [Cue(start_ms=0, end_ms=2500, lines=("Hello there.",))]


@pytest.mark.parametrize("text", ["", " ", "\n", "\u200b", "\x00"])
def test_nothing_said_is_no_cue(text):
    assert cues(Transcript(text=text, duration_s=3)) == []
    assert cues(transcript(Segment(text=text, start_s=0, end_s=1))) == []
    assert cues(transcript(speak(text or " "))) == []


# ── Writing ──────────────────────────────────────────────────────────────────

TWO = [
    Cue(start_ms=0, end_ms=1234, lines=("Hello there.",)),
    Cue(start_ms=3_661_001, end_ms=3_662_000, lines=("Fish & <chips>", "--> now")),
]


@pytest.mark.mission("7.7")
def test_srt_is_byte_for_byte_what_openai_sends():
    assert to_srt(TWO) == (
        "1\n00:00:00,000 --> 00:00:01,234\nHello there.\n\n"
        "2\n01:01:01,001 --> 01:01:02,000\nFish & <chips>\n-> now\n\n"
        "\n"
    )


@pytest.mark.mission("7.8")
def test_vtt_is_byte_for_byte_what_openai_sends():
    assert to_vtt(TWO) == (
        "WEBVTT\n\n"
        "00:00:00.000 --> 00:00:01.234\nHello there.\n\n"
        "01:01:01.001 --> 01:01:02.000\nFish &amp; &lt;chips&gt;\n-&gt; now\n\n"
    )


def test_no_cues():
    assert to_srt([]) == "\n"
    assert to_vtt([]) == "WEBVTT\n\n"


def test_hundred_hours():
    cue = Cue(start_ms=360_000_000, end_ms=360_001_000, lines=("late",))

    assert "100:00:00,000 --> 100:00:01,000" in to_srt([cue])
    assert next(srt.parse(to_srt([cue]))).start.total_seconds() == 360_000


@pytest.mark.parametrize(
    "text",
    [
        "a\n\nb",
        "1\r\n\r\n2",
        "00:00:00,000 --> 00:00:05,000",
        "--\x00>",
        "x ---->> y",
        "WEBVTT",
        "a\x85b\u2028c\x0bd\x1ce",
    ],
)
def test_text_cannot_break_out_of_its_cue(text):
    """However odd the text, both files parse back to the cues that went in."""
    found = cues(Transcript(text=f"before {text} after", duration_s=3))

    check_parses(found)


def check_parses(found):
    written = [re.sub("-{2,}>", "->", text) for text in texts(found)]
    parsed = list(srt.parse(to_srt(found)))
    assert [round(each.start.total_seconds() * 1000) for each in parsed] == [cue.start_ms for cue in found]
    assert [each.content.rstrip("\n") for each in parsed] == written

    vtt = to_vtt(found)
    assert vtt.count("-->") == len(found)
    parsed = list(webvtt.from_buffer(io.StringIO(vtt)))
    assert [each.start_in_seconds for each in parsed] == [cue.start_ms // 1000 for cue in found]
    assert [html.unescape(each.raw_text) for each in parsed] == written


# ── Whatever engines say ─────────────────────────────────────────────────────

TEXT = st.one_of(
    st.text(alphabet="abc xyz,.?-'>&<\n", min_size=1, max_size=15),
    st.text(alphabet="你好世界,。「」ー한국어 ", min_size=1, max_size=12),
    st.text(max_size=90),
)
WORDS = st.builds(
    lambda text, start_s, length_s, spaced: Word(
        text=" " * spaced + text, start_s=start_s, end_s=start_s + length_s
    ),
    TEXT,
    st.floats(0, 60),
    st.floats(0, 20),
    st.booleans(),
)
SEGMENTS = st.builds(
    lambda text, start_s, length_s, words, speaker: Segment(
        text="".join(word.text for word in words) or text,
        start_s=start_s,
        end_s=start_s + length_s,
        words=tuple(words),
        speaker=speaker,
    ),
    TEXT,
    st.floats(0, 60),
    st.floats(0, 30),
    st.lists(WORDS, max_size=40),
    st.sampled_from([None, "A", "B"]),
)


@pytest.mark.parametrize(
    "segment",
    [
        Segment(text="", start_s=0, end_s=0, words=(Word(text="", start_s=0, end_s=0),)),
        Segment(text=" \x00", start_s=0, end_s=1),
    ],
    ids=["empty word", "nothing visible"],
)
def test_segments_that_say_nothing_do_not_hide_the_text(segment):
    """An engine that gives a text and empty segments still gets its subtitles."""
    found = cues(Transcript(text="Hello.", duration_s=2, segments=(segment,)))

    assert texts(found) == ["Hello."]


@settings(max_examples=examples(200), deadline=None)
@given(st.lists(SEGMENTS, max_size=6), st.floats(0, 60), TEXT)
def test_any_transcript_keeps_its_words_and_the_limits(segments, duration_s, text):
    """Even words out of order, of no length, or all at one time: nothing is lost and no limit broken."""
    said = "".join(segment.text for segment in segments) or text

    found = cues(Transcript(text=said, duration_s=duration_s, segments=tuple(segments)))

    check_limits(found)

    def visible(text):
        return "".join(c for c in squeezed(text) if unicodedata.category(c) not in ("Cc", "Cf", "Mn", "Me"))

    assert visible("".join(texts(found))) == visible(said)
    check_parses(found)
