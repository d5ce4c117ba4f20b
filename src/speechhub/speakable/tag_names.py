"""Names of HTML and SSML tags, and their effect on a text that is read aloud.

Source: WHATWG's HTML, section 4; W3C's Speech Synthesis Markup Language 1.1.
"""

from typing import Final

# fmt: off
PARAGRAPHS: Final = frozenset((
    "address", "article", "aside", "blockquote", "center", "details", "dialog", "div", "dl",
    "fieldset", "figure", "footer", "form", "h1", "h2", "h3", "h4", "h5", "h6", "header", "hr",
    "main", "nav", "ol", "p", "pre", "section", "speak", "summary", "table", "ul",
))
"""Elements that end a paragraph, at their beginning and at their end."""
LINES: Final = frozenset((
    "br", "caption", "dd", "dt", "figcaption", "legend", "li", "option", "tbody", "tfoot", "thead",
    "title", "tr",
))
"""Elements that end a line."""
CELLS: Final = frozenset({"td", "th"})
SKIPPED: Final = frozenset({"script", "style", "svg", "template", "metadata"})
"""Elements whose content is not read."""
SPEECH: Final = frozenset({"break", "emphasis", "phoneme", "prosody", "say-as", "speak", "sub"})
"""SSML elements that also count in texts without a ``<speak>`` around them."""
ALWAYS: Final = (
    frozenset((
    "br", "hr", "p", "div", "li", "ul", "ol", "tr", "td", "th", "table", "h1", "h2", "h3", "h4",
    "h5", "h6", "strong", "em", "span", "blockquote", "pre", "wbr",
))
    | SPEECH
    | SKIPPED - {"template", "metadata"}
)
"""Names that are tags even alone; others may be placeholders, as in ``copy <source> <output>``."""
KNOWN: Final = (
    ALWAYS
    | PARAGRAPHS
    | LINES
    | CELLS
    | SKIPPED
    | frozenset((
    "a", "abbr", "acronym", "area", "audio", "b", "base", "bdi", "bdo", "big", "body", "button",
    "canvas", "cite", "code", "col", "colgroup", "data", "datalist", "del", "dfn", "embed", "font",
    "head", "html", "i", "iframe", "img", "input", "ins", "kbd", "label", "lang", "link", "map",
    "mark", "meta", "meter", "noscript", "object", "optgroup", "output", "param", "picture",
    "progress", "q", "rp", "rt", "ruby", "s", "samp", "select", "small", "source", "strike", "sup",
    "textarea", "time", "track", "tt", "u", "var", "video", "voice",
))
)
# fmt: on
VENDORS: Final = ("amazon:", "google:", "mstts:", "ssml:")
"""Prefixes of names that cloud vendors have added to SSML, such as ``<mstts:express-as>``."""
SPELLED: Final = frozenset({"characters", "spell-out", "verbatim", "letters"})
"""Values of ``interpret-as`` whose text is spelled letter by letter."""
STRENGTHS_S: Final = {
    "none": 0.0,
    "x-weak": 0.15,
    "weak": 0.25,
    "medium": 0.4,
    "strong": 0.75,
    "x-strong": 1.25,
}
"""Pauses of ``<break strength>``, in seconds."""
DEFAULT_STRENGTH: Final = "medium"
LONGEST_BREAK_S: Final = 10.0
"""Longest pause of one ``<break time>``, in seconds. Source: Amazon's and Google's SSML references."""
