"""Reads Markdown by its grammar, CommonMark with tables and strikethrough, instead of by patterns."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from markdown_it import MarkdownIt
from markdown_it.common.utils import normalizeReference
from markdown_it.rules_inline import StateInline
from markdown_it.rules_inline.state_inline import Delimiter
from markdown_it.token import Token

from speechhub.speakable.marks import CELL, LINE, MARKS, PARAGRAPH
from speechhub.speakable.punctuation import is_wide
from speechhub.speakable.wrapping import unwrapped

MOST_BRACKETS: Final = 150
"""A part with more opening brackets is not parsed as Markdown: the parser searches the end of each anew."""

_MISFIRING: Final = ["code", "fence", "html_block", "lheading", "reference", "autolink", "html_inline"]
"""Rules that would take verse, addresses or speech for markup; tags and fences are removed before."""
_CERTAIN: Final = frozenset(
    {"heading_open", "table_open", "strong_open", "em_open", "s_open", "code_inline", "link_open", "image"}
)
"""Structure that no plain text has by accident."""
_MARKS: Final = {
    "heading_open": PARAGRAPH,
    "heading_close": PARAGRAPH,
    "hr": PARAGRAPH,
    "table_open": PARAGRAPH,
    "table_close": PARAGRAPH,
    "tr_close": LINE,
    "list_item_close": LINE,
    "td_close": CELL,
    "th_close": CELL,
}
_IN_WORD: Final = re.compile(r"[^\W\d_]{2}\*\*[^\s*]{1,40}\*\*(?!\*)")
"""Emphasis within a word, as in ``play**ed**``; ``x**n + y**n`` and ``f**k this s**t`` have none."""
_ENDS: Final = frozenset('.:!?…"”»')
"""Characters before marks that end emphasis although a letter follows, as in ``**Note:**Read this``."""
_NAME: Final = re.compile(
    r"__(?:all|annotations|bases|bool|builtins|call|class|contains|debug|def|del|delitem|dict|dir|doc|enter|eq"
    r"|exit|file|float|format|func|function|future|ge|get|getattr|getattribute|getitem|gt|hash|import|index|init"
    r"|int|iter|le|len|line|lt|main|missing|module|mro|name|ne|new|next|package|path|pycache|qualname|repr"
    r"|reversed|set|setattr|setitem|sizeof|slots|str|subclasses|version|[a-z]{1,30}(?:_[a-z]{1,30}){1,5}"
    r"|a?(?:enter|exit|iter|next|wait)|[ir]?(?:add|and|floordiv|mod|mul|or|pow|sub|truediv|xor))__(?!\w)",
    re.IGNORECASE,
)
"""Names from Python and C, such as ``__init__`` and ``__FILE__``, which are not bold text."""
_DELIMITERS: Final = re.compile(r"^[ \t>]*\|[ \t]*:?-[-:| \t]*$", re.MULTILINE)
_ROW: Final = re.compile(r"^[ \t>]*\|.*$", re.MULTILINE)
_CODE: Final = re.compile(r"(?<!`)(`{1,3})(?!`)[^`\n]*(?<!`)\1(?!`)")
_TASK: Final = re.compile(r"\[[ xX]\][ \t]+")
_ESCAPED: Final = frozenset("*_`[]#~|<>+-.!\\")
_DEFINITION: Final = re.compile(
    r"^ {0,3}\[(?P<label>[^\^\]\[\n][^\]\[\n]{0,200})\]:[ \t]*<?(?:\w+://|www\.|mailto:|[/#])\S*[ \t]*"
    r"(?:\"[^\"\n]*\"|'[^'\n]*'|\([^()\n]*\))?[ \t]*$",
    re.MULTILINE,
)
_UNDERLINE: Final = re.compile(r"^ {0,3}={3,}[ \t]*$", re.MULTILINE)
"""Underlines that make the line above a heading; those of dashes are rules (``hr``) as well."""
_NOTE: Final = re.compile(r"^ {0,3}\[\^(?P<label>[^\]\s]{1,60})\]:[ \t]*", re.MULTILINE)
_NOTE_MARK: Final = re.compile(r"\[\^(?P<label>[^\]\s]{1,60})\](?![+*?{])")
"""Marks of footnotes, but not regular expressions such as ``[^1]+``."""
_DESTINATION: Final = re.compile(r"[/.#:@?%]")
"""Characters of which every address has one and few variables do: ``items[i](x)`` is a call."""


class Markdown:
    """Reads the Markdown of one text, since links can be defined anywhere in it."""

    def __init__(self, *, strict: bool) -> None:
        """Set up the parser.

        Args:
            strict: Whether only what is unlikely to be plain text counts as markup.
        """
        self._strict = strict
        self._references: dict[str, dict[str, str]] = {}
        self._parser = MarkdownIt("commonmark", {"html": False})
        self._parser.enable(["table", "strikethrough"]).disable(_MISFIRING)
        self._parser.inline.ruler.at("emphasis", _strict_emphasis if strict else _emphasis)
        if strict:
            self._parser.validateLink = _leads_somewhere  # type: ignore[assignment,method-assign]

    def without_notation(self, text: str) -> str:
        """Return *text* without link definitions, marks of footnotes, and underlines of headings."""
        if "===" in text:
            text = _UNDERLINE.sub(PARAGRAPH, text)
        if "]:" in text:
            labels = [normalizeReference(found["label"]) for found in _DEFINITION.finditer(text)]
            self._references = {label: {"title": "", "href": "#"} for label in labels}
            text = _DEFINITION.sub("", text)
        if "[^" in text:
            notes = {found["label"] for found in _NOTE.finditer(text)}
            text = _NOTE_MARK.sub(
                lambda mark: "" if mark["label"] in notes or mark["label"].isdigit() else mark[0],
                _NOTE.sub("\n", text),
            )
        return text

    def marked(self, part: str) -> Iterator[str]:
        """Yield the spoken text of a *part*, with marks for its structure."""
        if part.count("[") > MOST_BRACKETS:
            yield unwrapped(part) + PARAGRAPH
            return
        if "`" in part and _DELIMITERS.search(part):  # bars in code would make surplus cells, which get lost
            part = _ROW.sub(lambda row: _CODE.sub(_escaped, row[0]), part)
        tokens = self._parser.parse(part, {"references": self._references})
        yield from _Rendering(part, tokens, strict=self._strict).pieces()


def _leads_somewhere(address: str) -> bool:
    """Return whether a link's destination looks like an address; an empty one counts, too."""
    return not address or _DESTINATION.search(address) is not None


def _escaped(code: re.Match[str]) -> str:
    """Return code in a table's row with its bars escaped, so that they do not end a cell."""
    return re.sub(r"(?<!\\)\|", r"\|", code[0])


class _Rendering:
    """The spoken text of one part's tokens."""

    def __init__(self, source: str, tokens: Sequence[Token], *, strict: bool) -> None:
        self._source = source
        self._tokens = tokens
        self._strict = strict
        self._counts = _item_counts(tokens)
        self._certain = not strict or self._is_certain()
        self._lists: list[tuple[Token, int, bool]] = []
        """The open lists: the token, how many items came so far, whether all numbers are the same."""

    def pieces(self) -> Iterator[str]:
        for place, token in enumerate(self._tokens):
            if token.type == "inline":
                yield self._inline(token)
            elif token.type.endswith("list_open"):
                same = len(set(self._counts[place])) == 1 < len(self._counts[place])
                self._lists.append((token, 0, same))
                yield LINE
            elif token.type.endswith("list_close"):
                self._lists.pop()
                yield LINE if self._lists else PARAGRAPH
            elif token.type == "list_item_open":
                yield LINE + self._item(token)
            elif token.type == "blockquote_open":
                yield self._quote(token)
            elif token.type == "paragraph_close":
                yield LINE if self._lists else PARAGRAPH
            else:
                yield _MARKS.get(token.type, "")

    def _is_certain(self) -> bool:
        kinds = {token.type for token in self._tokens}
        kinds |= {child.type for token in self._tokens for child in token.children or ()}
        return bool(kinds & _CERTAIN) or any(
            len(numbers) > 1 or (place > 1 and self._tokens[place - 2].content.endswith((":", "：")))  # noqa: RUF001
            for place, numbers in self._counts.items()
        )

    def _item(self, token: Token) -> str:
        """Return the spoken text before an item: its number, if it has one."""
        opening, count, same = self._lists[-1]
        self._lists[-1] = (opening, count + 1, same)
        if opening.type == "ordered_list_open":
            number = int(token.info or 1) + (count if same else 0)
            return f"{number}{token.markup} "
        return "" if self._certain else f"{token.markup} "

    def _quote(self, token: Token) -> str:
        """Return the spoken text before a quotation: empty, unless its mark may be a mathematical sign."""
        line = self._source.split("\n", token.map[0] + 1)[token.map[0]].lstrip() if token.map else ""
        if not self._strict or self._certain or not line.startswith(">"):
            return ""
        after = line[1:].lstrip()
        if line[1:2] in (" ", "\t", ">", "") and not after[:1].isdigit():
            return ""
        return line[: len(line) - len(after)]

    def _inline(self, token: Token) -> str:
        said = "".join(map(self._said, token.children or ()))
        if self._lists and self._certain:
            said = _TASK.sub("", said, count=1) if _TASK.match(said) else said
        return unwrapped(said, soft=not self._strict)

    def _said(self, token: Token) -> str:
        if token.type == "softbreak":
            return "\n"
        if token.type == "hardbreak":
            return LINE
        if token.type == "image":
            return "".join(map(self._said, token.children or ()))
        if token.type == "text_special" and self._strict and token.info == "escape":
            return token.content if token.content in _ESCAPED else token.markup
        return token.content


def _item_counts(tokens: Sequence[Token]) -> Mapping[int, list[str]]:
    """Return the numbers of the items of each list, by the place of the token that opens it."""
    counts: dict[int, list[str]] = {}
    open_lists: list[int] = []
    for place, token in enumerate(tokens):
        if token.type.endswith("list_open"):
            open_lists.append(place)
            counts[place] = []
        elif token.type.endswith("list_close"):
            open_lists.pop()
        elif token.type == "list_item_open":
            counts[open_lists[-1]].append(token.info)
    return counts


def _strict_emphasis(state: StateInline, silent: bool) -> bool:
    return _emphasis(state, silent, strict=True)


def _emphasis(state: StateInline, silent: bool, *, strict: bool = False) -> bool:
    """Find the marks of emphasis, as markdown-it's own rule does, except where that rule misfires.

    Chinese, Japanese and Korean have few spaces, so CommonMark's rule about the characters around marks fails
    there. With *strict*, asterisks in formulas are not marks, as in ``2*3*4`` and ``f(x)*(y)*(z)``, nor is a
    single one inside a word.
    """
    marker = state.src[state.pos]
    if silent or marker not in "_*":
        return False
    scanned = state.scanDelims(state.pos, marker == "*")
    start, end = state.pos, state.pos + scanned.length
    before = state.src[start - 1] if start else " "
    after = state.src[end] if end < state.posMax else " "
    can_open, can_close = scanned.can_open, scanned.can_close
    if before in MARKS or after in MARKS or (marker == "*" and (is_wide(before) or is_wide(after))):
        can_open = not (after.isspace() or after in MARKS)
        can_close = not (before.isspace() or before in MARKS)
    if marker == "*" and scanned.length == 2 and before in _ENDS and after.isalpha():  # noqa: PLR2004
        can_close = True
    if strict and marker == "_" and _NAME.match(state.src, start):
        can_open = False
    if strict and marker == "*":
        words = scanned.length > 1 and not (before.isdigit() or after.isdigit())
        if words and before.isalnum() and after.isalnum() and not (is_wide(before) or is_wide(after)):
            can_open = can_open and _IN_WORD.match(state.src, max(0, start - 2)) is not None
        can_open = can_open and (words or is_wide(before) or not (before.isalnum() or before in ")]}%"))
        can_close = can_close and (words or is_wide(after) or not (after.isalnum() or after in "([{"))
    for _ in range(scanned.length):
        token = state.push("text", "", 0)
        token.content = marker
        state.delimiters.append(
            Delimiter(
                marker=ord(marker),
                length=scanned.length,
                token=len(state.tokens) - 1,
                end=-1,
                open=can_open,
                close=can_close,
            )
        )
    state.pos = end
    return True
