"""Written forms that NeMo's grammars misread, and what comes to them instead."""

# ruff: noqa: RUF001  # full-width signs are the point

import pytest

from speechhub_indextts.written import readable

REWRITTEN = [
    ("zh", "5m/s", "5米每秒"),
    ("zh", "5m/s²", "5米每二次方秒"),
    ("zh", "5kB/s", "5千字节每秒"),
    ("zh", "5KB/s", "5千字节每秒"),
    ("zh", "5 MB/s", "5兆字节每秒"),
    ("zh", "5GB/s", "5吉字节每秒"),
    ("zh", "5r/min", "5转每分钟"),
    ("zh", "5rpm", "5转每分钟"),
    ("zh", "1+2-3×4÷5=6", "1加2减3乘4除以5等于6"),
    ("zh", "800-123-4567", "八零零，幺二三，四五六七"),
    ("zh", "2024/13/01", "2024/13/01"),
    ("zh", "F-35和A-B", "F-35和A-B"),
    ("zh", "公元前5年", "公元前五年"),
    ("zh", "公元前100年", "公元前一百年"),
    ("zh", "12月至3月", "十二月至3月"),
    ("zh", "1,23", "1,23"),
    ("zh", "CNY5，RMB5，HKD5，L5", "CNY5，RMB5，HKD5，L 5"),
    ("zh", "EUR5，JPY5，GBP5，TWD5，KRW5，USD5", "EUR5，JPY5，GBP5，TWD5，KRW5，USD5"),
    ("zh", "1 年1 月1 日1 号1 时1 点1 分1 秒1 级", "1年1月1日1号1时1点1分1秒1 级"),
    (
        "zh",
        "12024/1/1，2024/1/1/1，2024.1.1.1，2024/1/1日",
        "12024/1/1，2024/1/1/1，二零二四点一点一点一，二零二四年1月1日",
    ),
    ("zh", "2024/1/32", "2024/1/32"),
    (
        "zh",
        "2400-123-4567，13800138000-1-2，0371-1234567",
        "2400-123-4567，13800138000-1-2，零三七幺，幺二三四五六七",
    ),
    ("zh", "1+1=-2，-1+1=", "1加1等于减2，-1加1等于"),
    ("zh", "比分是3-2，比分为3:2，比分3：2", "比分是3比2，比分为3比2，比分3比2"),
    ("zh", "1‰-2‰，1℃-2℃，1°C-2°C，1°-2°", "千分之1到千分之2，1℃到2℃，1°C到2°C，1°到2°"),
    (
        "zh",
        "1月-2月，1日-2日，1号-2号，1点-2点，1时-2时",
        "一月到2月，1日到2日，1号到2号，1点到2点，1时到2时",
    ),
    ("zh", "3-4/5，3-4-5", "3-4/5，3-4-5"),
    ("zh", "1–2，1—2，1~2，1～2", "1到2，1到2，1到2，1到2"),
    (
        "zh",
        "周一–周五，周二—周三，周四~周日，周六～周天，周-周",
        "周一到周五，周二到周三，周四到周日，周六到周天，周到周",
    ),
    ("zh", "周日-周一，周天-周二，周七-周六，周五-周六", "周日到周一，周天到周二，周七到周六，周五到周六"),
    ("zh", "1 km，1 cm，1 mm，1 kg，1 mg，1 ml，1 mL，1 mLs", "1km，1cm，1mm，1kg，1mg，1ml，1mL，1 mLs"),
    ("zh", "5块/斤", "5块每斤"),
    ("zh", "B2个，1.2个", "B 2个，1.2个"),
    ("zh", "1,234,5678，1234,567", "1,234,5678，1234,567"),
    ("zh", "3:1+1=，3-4.5-6", "3:1+1=，3-4.5-6"),
    ("zh", "5rpms，5rpm/2，5rpm²", "5rpms，5rpm/2，5rpm²"),
    ("zh", "公元前0000年，公元前0050年", "公元前零年，公元前五十年"),
    ("en", "124/7，24/70", "124/7，24/70"),
    ("en", "1—2, a1–2, 1–2b, 1–2.5", "1 to 2, a1–2, 1–2b, 1–2.5"),
    ("en", "3-4a, 3-4.5", "3-4a, 3-4.5"),
    ("en", "5m/s2, xNo. 5", "5m/s2, xNo. 5"),
    ("en", "60 km/h", "60 kilometers per hour"),
    ("en", "60kph", "60 kilometers per hour"),
    ("en", "60 mph", "60 miles per hour"),
    ("en", "5m/s", "5 meters per second"),
    ("en", "5kB/s", "5 kilobytes per second"),
    ("en", "5KB/s", "5 kilobytes per second"),
    ("en", "5MB/s", "5 megabytes per second"),
    ("en", "5GB/s", "5 gigabytes per second"),
    ("en", "5rpm", "5 revolutions per minute"),
    ("en", "24/7", "24 7"),
    ("en", "pages 1990–1995", "pages 1990 to 1995"),
    ("en", "3-4 eggs, 10-3=7, 2024-10-01, 555-1234", "3 to 4 eggs, 10-3=7, 2024-10-01, 555-1234"),
    ("en", "No. 5, no. 5", "number 5, no. 5"),
    ("en", "wan2.2 and MP3", "wan 2.2 and MP3"),
]


@pytest.mark.parametrize(("language", "written", "form"), REWRITTEN)
def test_a_grammar_gets_forms_that_it_reads_right(language, written, form):
    """And leaves alone what only looks like them."""
    assert readable(written, language) == form


def test_other_languages_are_left_to_the_model():
    """There are rules for Chinese and English."""
    assert readable("3-4 km/h", "ja") == "3-4 km/h"
