"""Applies the patterns that only one language has."""

import re
from functools import lru_cache

from speechhub.speakable.wording.grammar import Grammar, Rewrite, RewriteKind


def rewrite(text: str, grammar: Grammar, kind: RewriteKind) -> str:
    """Return *text* with the matches of the language's own patterns of one kind written as words."""
    for pattern, rule in _compiled(grammar, kind):
        text = pattern.sub(lambda match, rule=rule: _words(match, grammar, rule), text)  # type: ignore[misc]
    return text


def _words(match: re.Match[str], grammar: Grammar, rule: Rewrite) -> str:
    said = rule.words(match, grammar)
    return match.group() if said is None else said


@lru_cache(maxsize=64)
def _compiled(grammar: Grammar, kind: RewriteKind) -> list[tuple[re.Pattern[str], Rewrite]]:
    return [(re.compile(rule.pattern), rule) for rule in grammar.rewrites if rule.kind is kind]
