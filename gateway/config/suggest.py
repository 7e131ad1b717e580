"""Did-you-mean: the known word that is closest to an unknown one."""

from collections.abc import Iterable
from difflib import get_close_matches
from itertools import islice

MAX_WORD_CHARACTERS = 128  # the comparison takes time quadratic in the length
MAX_CANDIDATES = 2000  # and linear in the number of candidates


def closest(word: str, known: Iterable[str]) -> str | None:
    """The most similar known word, None when none is similar."""
    if len(word) > MAX_WORD_CHARACTERS:
        return None
    close = get_close_matches(word, islice(known, MAX_CANDIDATES), n=1)
    return close[0] if close else None


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """The question that ends a report, empty when no known word is similar."""
    close = closest(word, known)
    return f'did you mean "{close}"?' if close else ""
