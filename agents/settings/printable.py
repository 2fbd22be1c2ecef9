"""Text for a terminal: characters that would move its cursor or change its colours, as escapes."""

from __future__ import annotations


def printable(text: str) -> str:
    r"""The text with every character that is not printable as its escape, such as `\x1b` or `\n`."""
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode() for character in text
    )


def printable_lines(text: str) -> str:
    """The same of text whose line ends are its own, such as a traceback; tabs become spaces."""
    return "\n".join(printable(line.expandtabs()) for line in text.split("\n"))
