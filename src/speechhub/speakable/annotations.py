"""Words with their pronunciation, such as ``<行|XING2>``, ``<read|R EH1 D>`` and ``<今日|きょう>``. Pure.

Some engines read them. They are not tags, although ``<break|B R EY1 K>`` begins like one, and nothing inside
is cut or rewritten. For other engines only the word is kept. ``List<int|str>`` is not an annotation: the text
after the bar must look like pinyin with tones, ARPAbet phonemes with stresses, or kana.
"""

import re
from typing import Final

from speechhub.speakable.punctuation import is_wide

_PINYIN: Final = r"[A-Za-zÜü]{1,6}[1-5](?: ?[A-Za-zÜü]{1,6}[1-5]){0,20}"
_PHONEME: Final = r"(?:[A-Za-z]{1,2}[0-2]?|\.)"
_PHONEMES: Final = rf"(?=[^>\d]{{0,200}}\d){_PHONEME}(?: {_PHONEME}){{0,60}}"
_KANA: Final = r"[\u3041-\u309f\u30a0-\u30ff]{1,60}"
ANNOTATION: Final = re.compile(rf"<(?P<word>[^<|>\n]{{1,100}})\|(?:{_PINYIN}|{_PHONEMES}|{_KANA})>")
_BASE: Final = 1000
_NARROW: Final = 0x13000
"""First of the Egyptian hieroglyphs, which every rule takes for letters of normal width."""
_WIDE: Final = 0x17000
"""First of the Tangut characters, which are letters, too, and as wide as Chinese."""
_LETTER: Final = rf"[{chr(_NARROW)}-{chr(_NARROW + _BASE - 1)}{chr(_WIDE)}-{chr(_WIDE + _BASE - 1)}]"
_HIDDEN: Final = re.compile(_LETTER * 2)
_OWN: Final = re.compile(_LETTER)


def words_alone(text: str) -> str:
    """Return *text* for an engine that reads no annotations."""
    return ANNOTATION.sub(r"\g<word>", text) if _may_have(text) else text


class Annotations:
    """Replaces one text's annotations by letters of scripts that no engine speaks, and restores them."""

    def __init__(self) -> None:
        self._hidden: list[str] = []

    def hide(self, text: str) -> str:
        """Return *text* with two letters for each annotation; unchanged if it has such letters itself."""
        if not _may_have(text) or _OWN.search(text):
            return text
        return ANNOTATION.sub(self._letters, text)

    def show(self, text: str) -> str:
        """Return *text* with the hidden annotations restored."""
        return _HIDDEN.sub(self._annotation, text) if self._hidden else text

    def _letters(self, found: re.Match[str]) -> str:
        number, first = len(self._hidden), _WIDE if is_wide(found["word"][-1]) else _NARROW
        if number >= _BASE * _BASE:
            return found[0]
        self._hidden.append(found[0])
        return chr(first + number // _BASE) + chr(first + number % _BASE)

    def _annotation(self, found: re.Match[str]) -> str:
        first = _WIDE if ord(found[0][0]) >= _WIDE else _NARROW
        number = (ord(found[0][0]) - first) * _BASE + ord(found[0][1]) - first
        return self._hidden[number] if 0 <= number < len(self._hidden) else found[0]


def _may_have(text: str) -> bool:
    return "|" in text and "<" in text
