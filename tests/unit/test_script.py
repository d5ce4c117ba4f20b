"""Scripts: spaces between texts, and the tags that ask for a script of Chinese."""

import pytest

from speechhub.domain.script import ChineseScript, is_of_hong_kong, parse_script, space_between

TAIWAN, HONG_KONG = ChineseScript.TAIWAN, ChineseScript.HONG_KONG
TRADITIONAL, SIMPLIFIED = ChineseScript.TRADITIONAL, ChineseScript.SIMPLIFIED


@pytest.mark.parametrize(
    ("tag", "script"),
    [
        ("zh-TW", TAIWAN),
        ("ZH_tw", TAIWAN),
        ("zh-Hant-TW", TAIWAN),
        ("cmn-Hant-TW", TAIWAN),
        ("zho-TW", TAIWAN),
        ("chi-TW", TAIWAN),
        ("zh-HK", HONG_KONG),
        ("zh-MO", HONG_KONG),
        ("yue-Hant-HK", HONG_KONG),
        ("zh-Hant", TRADITIONAL),
        ("zh-Hant-SG", TRADITIONAL),
        ("zh-CN", SIMPLIFIED),
        (" zh-SG ", SIMPLIFIED),
        ("zh-MY", SIMPLIFIED),
        ("zh-Hans", SIMPLIFIED),
        ("zh-Hans-HK", SIMPLIFIED),
        ("zh", None),
        ("yue", None),
        ("zh-yue", None),
        ("chinese", None),
        ("en-HK", None),
        ("my", None),
        ("", None),
        (None, None),
    ],
)
def test_the_tag_names_the_script(tag, script):
    assert parse_script(tag) is script


@pytest.mark.parametrize(
    ("tag", "expected"),
    [("zh-HK", True), ("zh_Hant_HK", True), ("zh-MO", False), ("cmn-HK", False), (None, False)],
)
def test_where_cantonese_is_spoken(tag, expected):
    assert is_of_hong_kong(tag) is expected


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("Good morning.", "How are you?"),
        ("안녕하세요", "반갑습니다"),  # Hangul is as wide as Han
        ("안녕하세요.", "반갑습니다."),
        ("ㅋㅋㅋ", "정말"),
        ("서울", "Seoul"),
        ("Seoul", "서울"),
        ("Привет.", "Как дела?"),
        ("مرحبا.", "كيف حالك؟"),
        ("नमस्ते।", "आप कैसे हैं?"),
        ("გამარჯობა", "როგორ ხარ"),
        ("Good \N{SLIGHTLY SMILING FACE}", "morning"),
        ("", "Good morning."),
        ("", "안녕하세요"),
    ],
)
def test_a_space_stands_where_both_scripts_have_spaces(before, after):
    """Korean among them."""
    assert space_between(before, after) == " "


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("你好。", "今天很好。"),
        ("你好", "今天"),
        ("今日は", "晴れです"),
        ("今日は、", "「はい」"),
        ("สวัสดี", "ครับ"),  # Thai is no wider than Latin
        ("ສະບາຍດີ", "ເຈົ້າ"),
        ("မင်္ဂလာပါ", "နေကောင်းလား"),
        ("សួស្តី", "អ្នក"),
        ("བཀྲ་ཤིས", "བདེ་ལེགས"),
        ("你好。", "Hello."),
        ("Hello.", "你好。"),
        ("สวัสดี", "Hello"),
        ("Hello", "สวัสดี"),
        ("한국어", "日本語"),
        ("日本語", "한국어"),
        ("", "你好"),
        ("", "สวัสดี"),
        ("Hello.", ""),
        ("", ""),
    ],
)
def test_no_space_stands_beside_a_script_without_spaces(before, after):
    """Chinese, Japanese and Thai among them, whatever the other text is written in."""
    assert space_between(before, after) == ""
