"""Texts in the two languages that everything in Parlour speaks."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from dataclasses import dataclass

#: One text for both languages, or one for each: `{"en": "Wine list", "zh": "酒单"}`.
Text = str | Mapping[str, str]

LANGUAGES = ("en", "zh")


@dataclass(frozen=True)
class Zh:
    text: str


def zh(text: str) -> Zh:
    """The Chinese description of a parameter or a field, in its `Annotated[…]`."""
    return Zh(text)


def both(text: Text, what: str) -> dict[str, str]:
    """The text in both languages; one that is left out is filled with the other. `what` is for the error."""
    texts = dict.fromkeys(LANGUAGES, text) if isinstance(text, str) else dict(text)
    unknown = [language for language in texts if language not in LANGUAGES]
    if unknown:
        raise TypeError(f"{what} has a language `{unknown[0]}`; there are `en` and `zh`")
    if not texts or not all(isinstance(it, str) and it.strip() for it in texts.values()):
        raise TypeError(f"{what} has no text")
    return {language: texts.get(language) or next(iter(texts.values())) for language in LANGUAGES}


def of_docstring(text: str | None) -> str:
    """A docstring as a description: its paragraphs are lines, as they are meant, and not as wide as the source is."""
    return re.sub(r"(?<!\n)\n(?![\n *-])", " ", inspect.cleandoc(text or ""))
