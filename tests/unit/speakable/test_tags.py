"""Tags of HTML and SSML: their text is said, and some are pauses."""

import pytest

from speechhub.speakable import Line, read


def said(text):
    return [line.text for line in read(text)]


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("<p>Hello<br>world</p><ul><li>one</li><li>two</li></ul>", ["Hello", "world", "one", "two"]),
        ("<h1>Title</h1>Text <b>bold</b>, <i>it</i>", ["Title", "Text bold, it"]),
        ("<table><tr><td>a</td><td>b</td></tr><tr><td>c</td></tr></table>", ["a, b", "c"]),
        ("<script>alert(1 < 2)</script>Hi<style>p {}</style><!-- no\n\nno --> you", ["Hi you"]),
        ('<div class="x">\n\n**bold**\n\n</div>', ["bold"]),
        (
            '<img src="x.png" alt="A &amp; B"> and <a href="https://x.org/y">a link</a>',
            ["A & B and a link"],
        ),
        ("H<sub>2</sub>O, x<sup>2</sup>", ["H2O, x2"]),
        ("The tag `<br>` and ``<p>`<b>`` stay", ["The tag <br> and <p>`<b> stay"]),
        ("<P>LOUD</P><p>no end", ["LOUD", "no end"]),
        ("<speak>Tom &amp; Jo &lt;3 *you*</speak>", ["Tom & Jo <3 *you*"]),
        ('<?xml version="1.0"?>\n<speak version="1.1">\nHi\nthere\n</speak>', ["Hi there"]),
        ("<speak><p>One.</p><s>Two</s><s>Three</s></speak>", ["One.", "Two", "Three"]),
        (
            '<say-as interpret-as="characters">USB</say-as> <say-as interpret-as="date">2026</say-as>',
            ["U S B 2026"],
        ),
        (
            '<sub alias="World Wide Web">WWW</sub> <phoneme ph="x">tomato</phoneme>',
            ["World Wide Web tomato"],
        ),
        (
            '<speak><voice name="a"><prosody rate="slow">Slow</prosody></voice> <m:x a="1">end</m:x>',
            ["Slow end"],
        ),
        ("<speak><![CDATA[a <b> c]]></speak>", ["a <b> c"]),
        (
            "<!DOCTYPE speak [<!ENTITY a 'b'><!ENTITY c SYSTEM 'file:///x'>]><speak>&a;&c; hi</speak>",
            ["&a;&c; hi"],
        ),
        # broken
        ('<speak>Hello <emphasis>world <break time="1s" next</speak>', ["Hello world", "next"]),
        ('<speak>one <voice name="x>two', ["one two"]),
        ("<speak", ["<speak"]),
        ("</p></speak>x", ["x"]),
        ('Hi <prosody rate="x"there', ["Hi there"]),
    ],
)
def test_tags_are_not_said(text, lines):
    """Whole or broken; what is code, or no tag, is."""
    assert said(text) == lines


def test_breaks_are_pauses_of_the_length_that_is_asked_for():
    """By time or by strength, at the beginning and at the end, added up in one place."""
    text = (
        '<speak><break time="250ms"/>One<break time="1.5s"/><break time="2"/>two <break strength="strong"/>'
        '3<break strength="none"/>4<break/></speak>'
    )

    assert list(read(text)) == [
        Line(text="", pause_s=0.25, asked=True),
        Line(text="One", pause_s=3.5, asked=True),
        Line(text="two", pause_s=0.75, asked=True),
        Line(text="3 4", pause_s=0.4, asked=True),
    ]


@pytest.mark.parametrize(
    ("attributes", "pause_s"),
    [
        ("time='9999s'", 10),
        ("time=-5s", 0.4),
        ("time='1e9s'", 0.4),
        ("strength=huge", 0.4),
        ("time=''", 0.4),
    ],
)
def test_a_single_break_is_bounded(attributes, pause_s):
    """What cannot be understood is a break of the usual length."""
    assert next(read(f"a <break {attributes}/> b")).pause_s == pause_s


def test_only_breaks_and_comments_are_nothing_to_say():
    """A pause is one, whether or not there are words."""
    assert list(read("<!-- nothing -->")) == []
    assert list(read('<break time="2s"/>')) == [Line(text="", pause_s=2.0, asked=True)]


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        (
            "Put a <script> tag in the <svg> part. Then reload.",
            ["Put a <script> tag in the <svg> part. Then reload."],
        ),
        ('<script src="x.js"/> still here', ["still here"]),
        ("<svg/> text", ["text"]),
        ("<speak><metadata/>Hello</speak>", ["Hello"]),
        ("<speak>one <sub alias='two'>three</speak>", ["one three"]),
        ("<sub alias='x'>all of <sub alias='y'>this</sub> end", ["all of y end"]),
        ("<sub alias='x'>y, then H<sub>2</sub>O", ["y, then H2O"]),
    ],
)
def test_a_tag_without_an_end_hides_nothing(text, lines):
    """Neither the rest of the text, nor what stands before the end of another one."""
    assert said(text) == lines


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("10<sup>6</sup> and 10<sup>-3</sup>, the 1<sup>st</sup>", "10^6 and 10^-3, the 1st"),
        ('<voice name="a"><mstts:express-as style="sad">Hi</mstts:express-as></voice> you', "Hi you"),
        ('<amazon:effect name="whispered">psst</amazon:effect>', "psst"),
    ],
)
def test_powers_and_the_tags_of_clouds(text, line):
    """A power is no other number, and SSML without a <speak> around it is no text."""
    assert said(text) == [line]
