r"""Java's regular expressions for Python's `re`: what differs is rewritten, what has no counterpart is refused.

The patterns in Kafka Connect's configs are Java's: `(?<name>...)`, `\p{Alpha}`, `\Q...\E`, flags in the middle, and `$1` in
replacements. They are held against names of topics, which have one line, so `.`, `^` and `$` are left as they are in Python,
where only `\n` ends a line.

Source: the documentation of java.util.regex.Pattern and of Matcher.appendReplacement.
"""

from __future__ import annotations

import functools
import re
import sys
import unicodedata
from collections.abc import Callable
from typing import Any

_POSIX = {
    "Lower": "a-z",
    "Upper": "A-Z",
    "ASCII": r"\x00-\x7f",
    "Alpha": "a-zA-Z",
    "Digit": "0-9",
    "Alnum": "a-zA-Z0-9",
    "Punct": r"!-/:-@\[-`{-~",
    "Graph": "!-~",
    "Print": r"\x20-~",
    "Blank": r"\x20\t",
    "Cntrl": r"\x00-\x1f\x7f",
    "XDigit": "0-9a-fA-F",
    "Space": r"\x20\t\n\x0b\f\r",
}
_HORIZONTAL = r"\x20\t\xa0\u1680\u180e\u2000-\u200a\u202f\u205f\u3000"
_VERTICAL = r"\n\x0b\f\r\x85\u2028\u2029"
_SAME = frozenset("dDwWsStnrf")
"""Escapes that say the same in both languages, inside of `[...]` and outside."""
_OUTSIDE = {
    "A": r"\A",
    "b": r"\b",
    "B": r"\B",
    "z": r"\Z",
    "Z": r"(?=\n?\Z)",
    "R": rf"(?:\r\n|[{_VERTICAL}])",
    "h": f"[{_HORIZONTAL}]",
    "H": f"[^{_HORIZONTAL}]",
    "v": f"[{_VERTICAL}]",
    "V": f"[^{_VERTICAL}]",
}
_INSIDE = {"h": _HORIZONTAL, "v": _VERTICAL}
_REPEAT = re.compile(r"\{\d+(?:,\d*)?\}")
_NAMED = re.compile(r"\(\?<([a-zA-Z][a-zA-Z0-9]*)>")
_FLAGS = re.compile(r"\(\?([a-zA-Z]*)(?:-([a-zA-Z]*))?([:)])")
_NAMED_BACK = re.compile(r"k<([a-zA-Z][a-zA-Z0-9]*)>")
_PROPERTY = re.compile(r"[pP](?:\{([^}]*)\}|(.))")
_CODES = (
    re.compile(r"0([0-3][0-7]{2}|[0-7]{1,2})"),
    re.compile(r"x([0-9a-fA-F]{2})|x\{([0-9a-fA-F]+)\}|u([0-9a-fA-F]{4})"),
    re.compile(r"c([\x00-\x7f])"),
)
_CHARACTERS = {"a": "\x07", "e": "\x1b"}


@functools.cache
def compile_java(pattern: str) -> re.Pattern[str]:
    """Make a Python pattern of a Java one.

    Raises:
        ValueError: it is no pattern, or one that Python cannot do; the text says what and where.
    """
    try:
        return re.compile(_Translation(pattern).python(), re.ASCII)
    except (re.error, OverflowError) as error:
        raise ValueError(str(error)) from None


def fault_of_java_regex(pattern: str) -> str | None:
    """Why a text is no usable Java pattern, in the words of a config's fault; None if it is one."""
    try:
        compile_java(pattern)
    except ValueError as error:
        return f"Invalid regex: {error}"
    return None


def java_replacement(pattern: re.Pattern[str], replacement: str) -> Callable[[re.Match[str]], str]:
    r"""Make a function for `Pattern.sub` of Java's replacement text: `$1` and `${name}` are groups, `\$` is a dollar sign.

    Raises:
        ValueError: it names a group that the pattern does not have, or ends in the middle of something.
    """
    parts: list[str | int] = []
    at = 0
    while at < len(replacement):
        character = replacement[at]
        at += 1
        if character == "\\":
            if at == len(replacement):
                raise ValueError("character to be escaped is missing")
            parts.append(replacement[at])
            at += 1
        elif character == "$":
            group, at = _group(pattern, replacement, at)
            parts.append(group)
        else:
            parts.append(character)
    return lambda match: "".join(part if isinstance(part, str) else match[part] or "" for part in parts)


def _group(pattern: re.Pattern[str], replacement: str, at: int) -> tuple[int, int]:
    """The number of the group that is named behind a `$`, and where its name ends."""
    if at == len(replacement):
        raise ValueError("Illegal group reference: group index is missing")
    if replacement[at] == "{":
        name, closed, _ = replacement[at + 1 :].partition("}")
        if not closed or not name.isalnum():
            raise ValueError("named capturing group is missing trailing '}'")
        if name not in pattern.groupindex:
            raise ValueError(f"No group with name {{{name}}}")
        return pattern.groupindex[name], at + len(name) + 2
    if replacement[at] not in "0123456789":
        raise ValueError("Illegal group reference")
    number = int(replacement[at])
    at += 1
    if number > pattern.groups:
        raise ValueError(f"No group {number}")
    # Further digits belong to the number as long as there is such a group: $12 is group 1 and a 2 if there are only 3.
    while at < len(replacement) and replacement[at] in "0123456789":
        longer = number * 10 + int(replacement[at])
        if longer > pattern.groups:
            break
        number = longer
        at += 1
    return number, at


class _Translation:
    """Goes through a Java pattern once; `at` is the next character, `out` what was written for those before it."""

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        self.at = 0
        self.out: list[str] = []
        self.groups = 0
        # For each open group, the flags set inside of it: Python has flags only for a group of their own, which ends where
        # Java's flags do, and begins anew behind each `|`.
        self.flags: list[list[str]] = [[]]

    def python(self) -> str:
        while self.at < len(self.pattern):
            character = self.pattern[self.at]
            if character == "\\":
                self.at += 1
                self.out.append(self.escape())
            elif character == "[":
                self.at += 1
                self.out.append(self.character_class())
            elif character == "(":
                self.open_group()
            elif character == ")":
                if len(self.flags) == 1:
                    raise ValueError(f"Unmatched closing ')' near index {self.at}")
                self.out.append(")" * (len(self.flags.pop()) + 1))
                self.at += 1
            elif character == "|":
                opened = self.flags[-1]
                self.out.append(f"{')' * len(opened)}|{''.join(opened)}")
                self.at += 1
            elif character == "{":
                found = _REPEAT.match(self.pattern, self.at)
                if found is None:
                    raise ValueError(f"Illegal repetition near index {self.at}")
                self.out.append(found[0])
                self.at = found.end()
            else:
                self.out.append(character)
                self.at += 1
        if len(self.flags) > 1:
            raise ValueError(f"Unclosed group near index {self.at}")
        self.out.append(")" * len(self.flags[0]))
        return "".join(self.out)

    def open_group(self) -> None:
        rest = self.pattern[self.at :]
        if named := _NAMED.match(rest):
            self.groups += 1
            self.begin(f"(?P<{named[1]}>", named.end())
        elif not rest.startswith("(?"):
            self.groups += 1
            self.begin("(", 1)
        elif rest.startswith(("(?<=", "(?<!")):
            self.begin(rest[:4], 4)
        elif rest.startswith(("(?=", "(?!", "(?>")):
            self.begin(rest[:3], 3)
        elif found := _FLAGS.match(rest):
            on, off = found[1].replace("d", ""), (found[2] or "").replace("d", "")
            for flag in on + off:
                if flag not in "ims":
                    raise ValueError(f"the flag {flag} has no counterpart here; i, m and s have")
            opening = f"(?{on}{'-' + off if off else ''}:"
            if found[3] == ":":
                self.begin(opening, found.end())
            else:
                if on or off:
                    self.flags[-1].append(opening)
                    self.out.append(opening)
                self.at += found.end()
        else:
            raise ValueError(f"Unknown look-behind or group near index {self.at}")

    def begin(self, opening: str, length: int) -> None:
        self.out.append(opening)
        self.flags.append([])
        self.at += length

    def escape(self) -> str:
        r"""What is behind a `\` outside of `[...]`."""
        rest = self.pattern[self.at :]
        if rest.startswith("Q"):
            text, _, _ = rest[1:].partition(r"\E")
            self.at += 1 + len(text) + len(r"\E")
            return "".join(map(re.escape, text))
        if named := _NAMED_BACK.match(rest):
            self.at += named.end()
            return f"(?P={named[1]})"
        if rest[:1] in "123456789" and rest:
            return self.back_reference()
        if rest[:1] in _OUTSIDE and rest[:2] != "b{":
            self.at += 1
            return _OUTSIDE[rest[0]]
        found = self.characters(inside=False)
        return found if len(found) > 1 else re.escape(found)

    def back_reference(self) -> str:
        number = int(self.pattern[self.at])
        self.at += 1
        while self.at < len(self.pattern) and self.pattern[self.at] in "0123456789":
            longer = number * 10 + int(self.pattern[self.at])
            if longer > self.groups:
                break
            number = longer
            self.at += 1
        return rf"(?:\{number})"  # in a group of its own, so that a digit behind it stays one

    def characters(self, *, inside: bool) -> str:
        r"""What is behind a `\` and stands for one character (returned plain) or several (returned as Python writes them)."""
        rest = self.pattern[self.at :]
        if not rest:
            raise ValueError("Unexpected internal error: a \\ at the end")
        if rest[0] in _SAME:
            self.at += 1
            return "\\" + rest[0]
        if found := _PROPERTY.match(rest):
            self.at += found.end()
            said = _property(found[1] if found[1] is not None else found[2], negated=found[0][0] == "P", inside=inside)
            return said if inside else f"[{said}]"
        for base, kind in zip((8, 16, 0), _CODES, strict=True):
            if found := kind.match(rest):
                self.at += found.end()
                digits = next(group for group in found.groups() if group is not None)
                return chr(ord(digits) ^ 64) if base == 0 else chr(int(digits, base))
        self.at += 1
        if rest[0] in _CHARACTERS:
            return _CHARACTERS[rest[0]]
        if rest[0].isascii() and rest[0].isalnum():
            raise ValueError(f"Illegal/unsupported escape sequence \\{rest[0]} near index {self.at - 1}")
        return rest[0]

    def character_class(self) -> str:
        """What is between `[` and `]`."""
        start = self.at
        parts = ["["]
        if self.pattern.startswith("^", self.at):
            parts.append("^")
            self.at += 1
        first = True
        while True:
            rest = self.pattern[self.at :]
            if not rest:
                raise ValueError(f"Unclosed character class near index {start - 1}")
            if rest[0] == "]" and not first:
                self.at += 1
                return "".join(parts) + "]"
            if rest[0] == "[" or rest.startswith("&&"):
                raise ValueError(
                    "a character class inside of another, or && in one, has no counterpart here; "
                    "write [a-z&&[^x]] as (?![x])[a-z], and [a[b]] as [ab]"
                )
            if rest[0] == "-" and not first and rest[1:2] not in ("]", ""):
                parts.append("-")
                self.at += 1
            else:
                parts.append(self.class_item())
            first = False

    def class_item(self) -> str:
        character = self.pattern[self.at]
        self.at += 1
        if character != "\\":
            return _escaped(character)
        if self.pattern.startswith("Q", self.at):
            text, _, _ = self.pattern[self.at + 1 :].partition(r"\E")
            self.at += 1 + len(text) + len(r"\E")
            return "".join(map(_escaped, text))
        letter = self.pattern[self.at : self.at + 1]
        if letter in _INSIDE:
            self.at += 1
            return _INSIDE[letter]
        found = self.characters(inside=True)
        return found if len(found) > 1 else _escaped(found)


def _escaped(character: str) -> str:
    return f"\\{character}" if character in r"\[]^-&~|" else character


def _property(name: str, *, negated: bool, inside: bool) -> str:
    r"""The characters of a `\p{...}`, as they stand between `[` and `]`."""
    category = re.fullmatch(r"(?:Is|gc=|general_category=)?([A-Z][a-z]?)", name)
    if name in _POSIX:
        if not negated:
            return _POSIX[name]
        if not inside:
            return "^" + _POSIX[name]
        inner = re.compile(f"[{_POSIX[name]}]")
        return _ranges(lambda character: inner.match(character) is None)
    if category is not None:
        kind = category[1]
        said = _ranges(lambda character: unicodedata.category(character).startswith(kind) is not negated)
        if said:
            return said
    raise ValueError(rf"\p{{{name}}} has no counterpart here; write its characters, as in [a-zA-Z]")


def _ranges(has: Callable[[str], Any]) -> str:
    """All characters with a property, as ranges. Takes a tenth of a second: there are a million."""
    ranges: list[str] = []
    start: int | None = None
    for code in range(sys.maxunicode + 2):
        if code <= sys.maxunicode and has(chr(code)):
            start = code if start is None else start
        elif start is not None:
            ranges.append(f"\\U{start:08x}-\\U{code - 1:08x}")
            start = None
    return "".join(ranges)
