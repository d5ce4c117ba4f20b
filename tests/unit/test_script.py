"""Scripts of Chinese, and the tags that ask for them."""

import pytest

from speechhub.domain.script import ChineseScript, is_of_hong_kong, parse_script

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
