# ruff: noqa: SIM905 - lists of codes read best as text
"""Languages: whatever clients write, engines get a code."""

import re

import pytest

import speechhub.domain.language as table
from speechhub.domain.language import language_name, parse_language
from speechhub.errors import InvalidLanguageError

WHISPER = """
    af am ar as az ba be bg bn bo br bs ca cs cy da de el en es et eu fa fi fo fr gl gu ha haw he hi hr ht hu
    hy id is it ja jw ka kk km kn ko la lb ln lo lt lv mg mi mk ml mn mr ms mt my ne nl nn no oc pa pl ps pt
    ro ru sa sd si sk sl sn so sq sr su sv sw ta te tg th tk tl tr tt uk ur uz vi yi yo yue zh
""".split()
"""Source: openai/whisper, tokenizer.py."""

QWEN3_ASR = """
    Chinese English Cantonese Arabic German French Spanish Portuguese Indonesian Italian Korean Russian Thai
    Vietnamese Japanese Turkish Hindi Malay Dutch Swedish Danish Finnish Polish Czech Filipino Persian Greek
    Hungarian Macedonian Romanian
""".split()
"""Source: the model card of Qwen3-ASR."""

PIPER = """
    ar_JO ca_ES cs_CZ cy_GB da_DK de_DE el_GR en_GB es_MX fa_IR fi_FI fr_FR hu_HU is_IS it_IT ka_GE kk_KZ
    lb_LU lv_LV ml_IN ne_NP nl_BE no_NO pl_PL pt_BR ro_RO ru_RU sk_SK sl_SI sr_RS sv_SE sw_CD te_IN tr_TR
    uk_UA ur_PK vi_VN zh_CN
""".split()
"""Source: rhasspy/piper-voices."""


@pytest.mark.parametrize("nothing", [None, "", "  ", "auto", "AUTO", "null", "None"])
def test_no_choice_is_left_to_the_engine(nothing):
    assert parse_language(nothing) is None


@pytest.mark.mission("5.8")
@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("en", "en"),
        ("EN", "en"),
        (" en ", "en"),
        ("en-US", "en"),
        ("zh_CN", "zh"),
        ("zh-Hans-CN", "zh"),
        ("English", "en"),
        ("mandarin", "zh"),
        ("castilian", "es"),
        ("valencian", "ca"),
        ("flemish", "nl"),
        ("moldavian", "ro"),
        ("burmese", "my"),
        ("haitian", "ht"),
        ("Haitian Creole", "ht"),
        ("iw", "he"),
        ("jw", "jv"),
        ("in", "id"),
        ("ji", "yi"),
        ("nb-NO", "no"),
        ("eng", "en"),
        ("deu", "de"),
        ("ger", "de"),
        ("cmn", "zh"),
        ("cmn-Hans-CN", "zh"),
        ("yue", "yue"),
        ("zh-yue", "yue"),
        ("fil-PH", "tl"),
    ],
)
def test_what_clients_write_becomes_a_code(text, code):
    assert parse_language(text) == code


@pytest.mark.parametrize("text", ["language", "xx", "english please", "e", "-", "日本語", "a" * 1000])
def test_unknown_languages_are_refused(text):
    with pytest.raises(InvalidLanguageError) as caught:
        parse_language(text)
    assert caught.value.param == "language"
    assert caught.value.code == "invalid_language_format"


@pytest.mark.parametrize("text", [*WHISPER, *QWEN3_ASR, *PIPER])
def test_every_language_of_our_engines_is_known(text):
    code = parse_language(text)

    assert code is not None
    assert re.fullmatch("[a-z]{2,3}", code)
    assert re.fullmatch("[a-z ]+", language_name(code))


@pytest.mark.parametrize(
    ("code", "name"),
    [("en", "english"), ("zh", "chinese"), ("my", "myanmar"), ("jw", "javanese"), ("el", "greek")],
)
def test_names_are_those_of_verbose_json(code, name):
    assert language_name(code) == name


def test_unknown_code_is_its_own_name():
    """An engine may know a language that we do not: its code is better than an error."""
    assert language_name("tlh") == "tlh"


def test_table_is_unambiguous():
    """No code and no name stands for two languages, and every name leads back to its code."""
    seen = {}
    for line in table._TABLE.strip().splitlines():
        codes, _, names = line.partition(": ")
        for word in [*codes.split(), *names.split("; ")]:
            assert word == word.lower() == word.strip()
            assert seen.setdefault(word, line) == line
            assert parse_language(word) == codes.split()[0]
