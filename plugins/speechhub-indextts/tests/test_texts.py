"""Texts on their way to the models: scripts, pinyin, annotations, contractions, numbers."""

# ruff: noqa: RUF001  # full-width signs are the point

import os
import re
import sys
from pathlib import Path

import pytest

from speechhub.engine import EngineLoadError
from speechhub_indextts.annotations import ANNOTATION, inlined
from speechhub_indextts.chinese import simplified, usual_width
from speechhub_indextts.contractions import expanded
from speechhub_indextts.front import Front
from speechhub_indextts.grammars import Grammar, Shelf
from speechhub_indextts.kept import Kept
from speechhub_indextts.packages import quiet
from speechhub_indextts.pinyin import PINYIN, corrected, is_pinyin
from speechhub_indextts.settings import IndexTtsSettings
from speechhub_indextts.text import either_language, has_speech

CHINESE = [
    ("电话135-4567-8900。", "电话幺三五，四五六七，八九零零。"),
    ("打13800138000", "打幺三八，零零幺三，八零零零"),
    ("010-12345678", "零幺零，幺二三四五六七八"),
    ("400-123-4567", "四零零，幺二三，四五六七"),
    ("下午3:00开会", "下午三点零分开会"),
    ("$50", "五十美元"),
    ("2024/10/01", "二零二四年十月一日"),
    ("2024.10.1", "二零二四年十月一日"),
    ("2024-10-01", "二零二四年十月一日"),
    ("气温-5度", "气温负五度"),
    ("3-4级", "三到四级"),
    ("1.5～2.5米", "一点五到二点五米"),
    ("50%-60%", "百分之五十到百分之六十"),
    ("3:00-5:00", "三点零分到五点零分"),
    ("比分3-2", "比分三比二"),
    ("10-3=7", "十减三等于七"),
    ("时速60 km/h", "时速六十公里每小时"),
    ("km/h", "公里每小时"),
    ("5元/斤", "五元每斤"),
    ("公元前221年", "公元前二百二十一年"),
    ("公元前1046年", "公元前一千零四十六年"),
    ("公元前10年", "公元前十年"),
    ("25%", "百分之二十五"),
    ("5‰", "千分之五"),
    ("%", "百分号"),
    ("5", "五"),
    ("2025 年", "二零二五年"),
    ("2020年-2025年", "二零二零年到二零二五年"),
    ("1990-1995年", "一九九零到一九九五年"),
    ("3月到5月", "三月到五月"),
    ("周一-周五", "周一到周五"),
    ("1,234,567", "一百二十三万四千五百六十七"),
    ("版本1.2.3", "版本一点二点三"),
    ("192.168.1.1", "一九二点一六八点一点一"),
    ("MP3", "MP 三"),
    ("USD50", "五十美元"),
    ("5 cm", "五厘米"),
    ("2个，12个，第2个", "两个，十二个，第二个"),
    ("GPT-5-nano", "GPT-五-nano"),
    ("约瑟夫·高登-莱维特", "约瑟夫·高登-莱维特"),
    ("他de5书，ni3hao3，3个", "他de5书，ni3hao3，三个"),
    ("wan2.2", "wan 二点二"),
    ("１２：３０，２５％", "十二点三十分，百分之二十五"),
    ("後來，臺灣有3個", "后来，台湾有三个"),
]
"""What is written, and what is said for it, by NeMo's grammar of Chinese."""
ENGLISH = [
    ("135-4567-8900", "one three five, four five six seven, eight nine zero zero"),
    ("at 3:00 pm", "at three PM"),
    ("$50", "fifty dollars"),
    ("2024/10/01", "october first twenty twenty four"),
    ("-5", "minus five"),
    ("3-4", "three to four"),
    ("pages 3–4", "pages three to four"),
    ("10-3=7", "ten minus three equals seven"),
    ("60 km/h", "sixty kilometers per hour"),
    ("60mph", "sixty miles per hour"),
    ("25%", "twenty five percent"),
    ("5", "five"),
    ("%", "percent"),
    ("24/7", "twenty four seven"),
    ("wan2.2", "wan two point two"),
    ("No. 5", "number five"),
]


@pytest.fixture(scope="module")
def grammar_of_english(tmp_path_factory):
    """Lend the grammar of English out of a cache of this user; building it takes half a minute."""
    from indextts25.utils import nemo_tn

    cache = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()
    folders = [cache / "indextts25" / "nemo_tn", *cache.glob("speechhub*/**/grammars")]
    found = next((path for folder in folders for path in folder.glob("en-cased-*.pkl")), None)
    if found is None:
        pytest.skip("no grammar of English is cached here, and building one takes half a minute")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(nemo_tn.get_text_normalizer(), "_cache", {})
        yield Grammar("en", Shelf(IndexTtsSettings(), work_dir=None, prebuilt_dir=found.parent))


def front(grammars, **options):
    return Front(IndexTtsSettings(**options), grammars)


class Parrot:
    """A grammar that says "n" for each digit, as one that knows no pinyin would, and "!" for dashes."""

    def normalize(self, text):
        return re.sub(r"[-·—]", "!", re.sub(r"\d", "n", text))


PARROTS = {"zh": Parrot(), "en": Parrot()}


@pytest.mark.parametrize(("written", "said"), CHINESE)
def test_chinese_is_read_as_people_do(grammar_of_chinese, written, said):
    """What NeMo's grammar misreads by itself comes to it in another form."""
    with quiet():
        assert front({"zh": grammar_of_chinese}).spoken(written, "zh") == said


@pytest.mark.parametrize(("written", "said"), ENGLISH)
def test_english_is_read_as_people_do(grammar_of_english, written, said):
    """As above; only where the grammar is."""
    with quiet():
        assert front({"en": grammar_of_english}).spoken(written, "en").strip() == said


def test_traditional_characters_become_simplified():
    """In Chinese; the kanji of a Japanese text stay, whether its kana or the request tells."""
    mine = front({})

    assert mine.spoken("繁體中文與軟體", "zh") == "繁体中文与软体"
    assert mine.spoken("乾隆皇帝喝乾了", "zh") == "乾隆皇帝喝干了"
    assert mine.spoken("The word 電腦.", "en") == "The word 电脑."
    assert mine.spoken("東京都", "ja") == "東京都"
    assert simplified("気象廳は東京です。", "en") == "気象廳は東京です。"
    for kana in "カㇰｱ":
        assert simplified(f"廳{kana}", "en") == f"廳{kana}"
    assert simplified("鮮の味", "zh") == "鲜の味"
    assert front({}, simplify=False).spoken("繁體１", "zh") == "繁體１"


def test_wide_letters_and_digits_get_their_usual_width():
    """Punctuation is not touched, unless it is part of a number."""
    assert usual_width("ＡＢｃ１２３，好！（是）") == "ABc123，好！（是）"
    assert usual_width("１２：３０") == "12:30"
    assert usual_width("１．５％，＄３") == "1.5%，$3"
    assert usual_width("－５度，１／２，１－２") == "-5度，1/2，1-2"
    assert usual_width("１：好") == "1：好"
    assert usual_width("他说：１") == "他说：1"


def test_without_normalization_the_text_stays():
    """Neither a grammar nor what helps it sees the text."""
    for language in ("zh", "en"):
        assert front(PARROTS, normalization=False).spoken("2025 年 3-4 MP3 <a|B1>", language) == (
            "2025 年 3-4 MP3 <a|B1>"
        )


@pytest.mark.parametrize(
    ("language", "written", "said"),
    [
        ("zh", "约翰-甲·乙—丙，丁—戊，GPT-5-x", "约翰-甲·乙!丙，丁—戊，GPT-n-x"),
        ("en", "甲-乙 GPT-5 60 km/h", "甲!乙 GPT!n nn kilometers per hour"),
        ("zh", "ａ", "a"),
    ],
)
def test_a_grammar_gets_what_it_may_change(language, written, said):
    """Hyphens of Chinese names and of terms are none of it; letters have their usual width."""
    assert front(PARROTS).spoken(written, language) == said
    assert front(PARROTS).spoken("hello", language, clean=str.upper) == "HELLO"


def test_pinyin_keeps_its_tones():
    """Any number of syllables, and none inside another; in English there is none."""
    syllables = [f"{initial}a{tone}" for initial in "bpmfdtnlgkh" for tone in range(1, 5)]
    text = "，".join(syllables) + "，dan1，an1，3。"

    said = front(PARROTS).spoken(text, "zh")

    assert len(syllables) > 26
    assert said == text.replace("，3。", "，n。")
    assert front(PARROTS).spoken("an1", "en") == "ann"


@pytest.mark.parametrize(
    "name", ["wan2.2", "wan22", "beta1", "voice2", "A4", "E3", "mp3", "3a", "v1", "wan6", "2.wan4"]
)
def test_names_are_no_pinyin(name):
    """Though some look like it."""
    assert PINYIN.search(name) is None


@pytest.mark.parametrize(
    "syllable",
    [
        "ni3",
        "HAO3",
        "xuan4",
        "jve2",
        "lü4",
        "er2",
        "a5",
        "zhong1guo2",
        "xiong2",
        "kuai4",
        "liao3",
        "tian1",
        "liang3",
        "ng2",
        "lai2",
        "hei1",
        "gou3",
        "jia1",
        "jiu3",
        "jie2",
    ],
)
def test_syllables_are_pinyin(syllable):
    """In small letters or large, alone or in a row."""
    assert PINYIN.fullmatch(syllable)


def test_pinyin_is_spelled_as_the_model_does():
    """With a v for what sounds like ü."""
    assert [
        corrected(one) for one in ("ju3", "xün2", "xun2", "que4", "juan1", "jiu3", "LÜ4", "zhu1", "juo1")
    ] == [
        "JV3",
        "XVN2",
        "XVN2",
        "QVE4",
        "JVAN1",
        "JIU3",
        "LV4",
        "ZHU1",
        "JUO1",
    ]


def test_annotations_are_found_and_inlined():
    """IndexTTS-2 takes pinyin alone; of another reading it gets the word."""
    assert [
        found.groups() for found in ANNOTATION.finditer("银<行|HANG2>、<read|R EH1 . D>、<今日|きょう>")
    ] == [
        ("行", "HANG2"),
        ("read", "R EH1 . D"),
        ("今日", "きょう"),
    ]
    assert inlined("银<行|HANG2>，<重庆|CHONG2 QING4>") == "银 HANG2 ， CHONG2 QING4 "
    assert inlined("I <read|R EH1 D> it, <今日|きょう>") == "I read it, 今日"
    assert inlined("<行| HANG2 ><行|HANG2 x>") == " HANG2 行"
    assert not ANNOTATION.search("<a\nb|c> <a|b\nc>")
    assert inlined("a < b, c | d > e") == "a  b, c  e"


def test_what_is_kept_comes_back_where_it_was():
    """Also where a text holds the very characters that would stand for it."""
    text = "\ue000 5 <a|B1> 6 <c|D2>"
    kept = Kept(text)

    hidden = kept.matches(ANNOTATION, text)

    assert "B1" not in hidden
    assert len(hidden) == len("\ue000 5 . 6 .")
    assert kept.restored(hidden.replace("5", "five")) == "\ue000 five <a|B1> 6 <c|D2>"


@pytest.mark.parametrize(
    ("short", "full"),
    [
        ("We'll see.", "We will see."),
        ("You\u2019re right, they've gone, I'm here.", "You are right, they have gone, I am here."),
        ("Don't! I can't, won't and shan't.", "Do not! I can not, will not and shall not."),
        ("DON'T STOP, WE'LL GO", "DO NOT STOP, WE WILL GO"),
        ("It's late, and it's been long.", "It is late, and it has been long."),
        ("Let's go. She's got it.", "Let us go. She has got it."),
        ("John's book, the dogs' food, rock 'n' roll", "John's book, the dogs' food, rock 'n' roll"),
        ("I'd say ain't", "I'd say ain't"),
        ("CAN'T, I'M. Can't. It's BEEN", "CAN NOT, I AM. Can not. It has BEEN"),
        ("an outlet's and somewhat's", "an outlet's and somewhat's"),
        ("we\u02bcll, we\uff07ll", "we will, we will"),
        ("\u2019em, dogs\u2019 and it's", "\u2019em, dogs\u2019 and it is"),
        ("他说 we'll 走", "他说 we will 走"),
    ],
)
def test_contractions_are_told_in_full(short, full):
    """What follows the apostrophe is lost otherwise; possessives stay."""
    assert expanded(short) == full


@pytest.mark.parametrize(
    ("text", "wanted", "usual", "language"),
    [
        ("5", None, "en", "en"),
        ("5", None, "zh", "zh"),
        ("5", "zh", "en", "zh"),
        ("5", None, "ja", "en"),
        ("我用 GPU", None, "en", "zh"),
        ("Hello 5", None, "zh", "en"),
        ("ni3 hao3", None, "en", "zh"),
        ("Use wan2.2 or man2 here", None, "en", "en"),
    ],
)
def test_the_older_generation_speaks_one_of_two_languages(text, wanted, usual, language):
    """A text without letters is in the operator's."""
    assert either_language(text, wanted, usual) == language


def test_signs_that_have_names_are_speech():
    """A percent sign alone is said; a dash alone is not."""
    assert has_speech("%")
    assert not has_speech("-")
    assert is_pinyin("ni3 hao3")
    assert not any(map(is_pinyin, ("", "ni3 hello", "wan2.2 hao3")))


@pytest.mark.parametrize("sign", "%&@$€£¥=+#°‰")
def test_each_sign_that_has_a_name_is_speech(sign):
    """Alone, too."""
    assert has_speech(sign)


@pytest.mark.parametrize("word", ["what", "where", "who", "how", "there", "here", "it", "he", "she", "That"])
def test_what_is_no_owner_is(word):
    """Or has, before what tells so."""
    assert expanded(f"{word}'s it") == f"{word} is it"
    assert expanded(f"{word}'s gone") == f"{word} has gone"


@pytest.mark.parametrize(
    "word", ["been", "got", "had", "become", "gone", "done", "taken", "made", "happened"]
)
def test_before_these_it_has(word):
    assert expanded(f"it's {word}") == f"it has {word}"


def test_opencc_is_missed_when_a_model_is_loaded(monkeypatch):
    """Not at the first Chinese text; without the option it is not needed."""
    monkeypatch.setitem(sys.modules, "opencc", None)

    with pytest.raises(EngineLoadError, match="speechhub engines install indextts"):
        front({})
    assert front({}, simplify=False).spoken("軟體", "zh") == "軟體"
