"""Languages in which only plain numbers are written as words."""

from typing import Final

from speechhub.speakable.wording.grammar import Grammar, noun

_TABLE: Final = """
cs: , | . | čárka | minus | procento, procenta, procent
da: , | . | komma | minus | procent
el: , | . | κόμμα | μείον | τοις εκατό
fi: , | . | pilkku | miinus | prosenttia
hu: , | . | vessző | mínusz | százalék
id: , | . | koma | minus | persen
no: , | . | komma | minus | prosent
pl: , | . | przecinek | minus | procent, procent, procent
ro: , | . | virgulă | minus | la sută
sv: , | . | komma | minus | procent
tr: , | . | virgül | eksi |
uk: , | . | кома | мінус | відсоток, відсотки, відсотків
vi: , | . | phẩy | âm | phần trăm
"""
"""For each language: decimal mark, mark between thousands, the decimal mark as a word, minus, percent."""


def _grammar(line: str) -> Grammar:
    language, _, rest = line.partition(": ")
    decimal, groups, point, minus, percent = (part.strip() for part in rest.split("|"))
    return Grammar(
        language=language, decimal=decimal, groups=groups, point=point, minus=minus, percent=noun(percent)
    )


OTHERS: Final = tuple(_grammar(line) for line in _TABLE.strip().splitlines())
