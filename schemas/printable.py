"""The one way of text from outside to a terminal or a log: ids, names, file names, error texts of others.

Whatever moves a cursor, changes colours, turns the direction of text, ends a line or can't be seen becomes its escape.
Markup needs no escape: what draws tables takes none (cli/screen.py). Pages have analytics/page_text.py on top of it.
"""

from __future__ import annotations

import re
from typing import Final

# Of Unicode's characters that are drawn as nothing (Default_Ignorable_Code_Point in DerivedCoreProperties.txt), and the
# blank of Braille, those that Python takes for printable.
_UNSEEN: Final = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)


def printable(text: str) -> str:
    r"""The text on one line, with every character that is not printable as its escape, such as `\x1b` or `\n`."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(map(_shown, text))


def printable_lines(text: str) -> str:
    """The same of text whose line ends are its own, such as a policy in TOML; tabs become spaces."""
    return "\n".join(printable(line.expandtabs()) for line in text.split("\n"))


def printable_traceback(text: str) -> str:
    """The same of a traceback, indented from its second line on: no line of it can be taken for one of the log."""
    return printable_lines(text.rstrip("\n")).replace("\n", "\n  ")


def _shown(character: str) -> str:
    if character.isprintable() and not _UNSEEN.match(character):
        return character
    return character.encode("unicode_escape").decode()
