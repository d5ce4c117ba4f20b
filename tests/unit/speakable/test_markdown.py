"""Markdown is said as a person would read it."""

import pytest

from speechhub.speakable import Line, Normalization, read


def said(text, mode=Normalization.AUTO):
    return [line.text for line in read(text, mode)]


CASE = """\
### Example Heading

Here is **bold** and *italic* text, `code()`.

- one
- two
"""


@pytest.mark.parametrize("mode", [Normalization.AUTO, Normalization.MARKDOWN])
def test_headings_emphasis_code_and_lists(mode):
    """None of their marks is said, and none of their lines runs into the next."""
    assert list(read(CASE, mode)) == [
        Line(text="Example Heading", pause_s=0.6),
        Line(text="Here is bold and italic text, code().", pause_s=0.6),
        Line(text="one"),
        Line(text="two"),
    ]


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("# Title\ntext below", ["Title", "text below"]),
        ("Title\n=====\n\nText", ["Title", "Text"]),
        ("Title\n---\nText", ["Title", "Text"]),
        ("A ***b*** __c__ ~~d~~ _e_", ["A b c d e"]),
        (
            "1. First\n2. Second\n   - sub one\n   - sub two\n10. Tenth",
            ["1. First", "2. Second", "sub one", "sub two", "10. Tenth"],
        ),
        ("1. a\n1. b\n1. c", ["1. a", "2. b", "3. c"]),
        ("* one\n* two\n\n  more of two\n* three", ["one", "two", "more of two", "three"]),
        ("- [ ] milk\n- [x] bread", ["milk", "bread"]),
        ("**List**\n\n* only", ["List", "only"]),
        ("Buy:\n* milk", ["Buy:", "milk"]),
        ("\ufeff# Title", ["Title"]),
        ("> He said\n> nothing.\n\nThen left.", ["He said nothing.", "Then left."]),
        ("a\n\n---\n\nb\n\n* * *\n\nc", ["a", "b", "c"]),
        ("| Name | Age |\n|:---|---:|\n| Jo | **5** |\n| | 7 |", ["Name, Age", "Jo, 5", "7"]),
        (
            'See [the docs](https://a.org/b_c "t") or [this][1].\n\n[1]: https://x.org/y',
            ["See the docs or this."],
        ),
        ("![A cat](cat.png) and [![b](i.png)](https://x.org)", ["A cat and b"]),
        (
            "Go to https://www.example.org/a_b/c?d=e#f, or <http://x.org:80/>.",
            ["Go to example.org, or x.org."],
        ),
        ("(see www.example.org/x) **https://a.org/b**", ["(see example.org) a.org"]),
        ("访问https://x.org/a看看", ["访问x.org看看"]),
        (
            "A claim[^1] and[^n].\n\n[^1]: The source.\n[^n]: Another.",
            ["A claim and.", "The source.", "Another."],
        ),
        ("Before\n\n```python\nprint('*x*')\n```\n\nAfter", ["Before", "After"]),
        ("1. Do\n\n   ```sh\n   ls\n   ```\n\n2. Done", ["1. Do", "2. Done"]),
        ("Before\n~~~\nx\n~~~\nAfter", ["Before", "After"]),
        ("first  \nsecond\\\nthird", ["first", "second", "third"]),
        (r"1\. not a list, \*not bold\*", ["1. not a list, *not bold*"]),
        ("&copy; 2026 &lt;b&gt; &amp; co", ["© 2026 <b> & co"]),
        ("这是**重点**内容，**「引用」**也是", ["这是重点内容，「引用」也是"]),
        ("מה **שלום** לך", ["מה שלום לך"]),
        ("مرحبا **بك** هنا", ["مرحبا بك هنا"]),
        ("**Note:** 🎉 ok", ["Note: ok"]),
        ("**W**orld, 2**3**4 and x**2 + y**2", ["World, 2**3**4 and x**2 + y**2"]),
        ("[Source]: https://x.org/y explains it.", ["[Source]: x.org explains it."]),
        ("[b] here\n\n[b]: <https://x.org> (t)", ["b here"]),
        (
            "| Op | Means |\n|---|---|\n| `||` | or |\n| `a \\| b` | pipe |",
            ["Op, Means", "||, or", "a | b, pipe"],
        ),
        ("play**ed** and un**believ**able", ["played and unbelievable"]),
        ("**Note:**Read this. **Step 1:**Mix", ["Note:Read this. Step 1:Mix"]),
        ("\u202babc\u202c **b**", ["\u202babc\u202c b"]),
    ],
)
def test_structure_is_heard_and_its_marks_are_not(text, lines):
    """Link targets, fences and rules are for the eye."""
    assert said(text) == lines


@pytest.mark.parametrize("text", ["```\nx = 1\ny = 2\n```", "~~~~py\nx = 1\ny = 2"])
def test_code_that_is_the_whole_text_is_read(text):
    """A client that sends nothing else wants to hear it."""
    assert said(text) == ["x = 1", "y = 2"]


def test_a_single_item_may_be_plain_text():
    """In a text that shows no other sign of Markdown; in one that is said to be, it is an item."""
    assert said("The price is 5*.\n\n* plus tax") == ["The price is 5*.", "* plus tax"]
    assert said("The price is 5*.\n\n* plus tax", Normalization.MARKDOWN) == ["The price is 5*.", "plus tax"]


def test_markdown_joins_lines_as_its_grammar_says():
    """A line of Markdown ends with two spaces; lines of an unknown text may be verse."""
    text = "Whose woods these are\nI think I know"

    assert said(text, Normalization.MARKDOWN) == ["Whose woods these are I think I know"]
    assert said(text) == text.split("\n")


@pytest.mark.parametrize("count", [3, 2000])
def test_a_long_text_reads_as_a_short_one(count):
    """It is parsed in parts, which end between two paragraphs."""
    assert said(CASE * count) == said(CASE) * count
