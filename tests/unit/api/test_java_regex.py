"""Java's regular expressions; more cases, recorded from Java, are in tests/compat/test_transforms.py."""

from __future__ import annotations

import pytest

from fastconnect.api.java_regex import compile_java, fault_of_java_regex, java_replacement


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        (r"(?<db>\w+)\.\k<db>", "shop.shop"),
        (r"\p{Alpha}+-[\p{Digit}_]+", "orders-20_24"),
        (r"\Qa.b[c\E\d", "a.b[c7"),
        (r"a(?i)b|c", "C"),
        (r"(a)(?i)b(?-i)c", "aBc"),
        (r"\x41\u0042\x{43}\0104\cA\e\a", "ABCD\x01\x1b\x07"),
        (r"(a)(b)\11", "aba1"),
        (r"[]-]+", "]-"),
        (r"\[\]\-\{", "[]-{"),
        (r"\p{L}+\pN?", "Überß7"),
        (r"a\R?b\z", "a\r\nb"),
        (r"\h\v", "\u2003\u2028"),
        (r"[^\p{Upper}]", "x"),
        (r"\P{Upper}[\P{Alpha}]", "x1"),
    ],
)
def test_what_java_matches_is_matched(pattern: str, text: str) -> None:
    assert compile_java(pattern).fullmatch(text)


@pytest.mark.parametrize(
    ("pattern", "text"),
    [(r"\d+", "٣"), (r"\w+", "é"), (r"(?i)é", "É"), (r"a(?i)b|c", "A"), (r"x*+x", "xxx"), (r"[^\p{Upper}]", "X")],
)
def test_what_java_does_not_match_is_not_matched(pattern: str, text: str) -> None:
    assert not compile_java(pattern).fullmatch(text)


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        ("[a-z", "Unclosed character class near index 0"),
        ("(a", "Unclosed group near index 2"),
        ("a)", "Unmatched closing ')' near index 1"),
        ("a{b}", "Illegal repetition near index 1"),
        ("[a-z&&[^x]]", "write [a-z&&[^x]] as (?![x])[a-z]"),
        (r"\p{IsLatin}", r"\p{IsLatin} has no counterpart here; write its characters"),
        (r"\G", r"Illegal/unsupported escape sequence \G"),
        ("(?x)a", "the flag x has no counterpart here"),
        ("*", "nothing to repeat"),
        ("(?<=a+)b", "look-behind requires fixed-width pattern"),
        ("a\\", "at the end"),
    ],
)
def test_what_cannot_be_done_is_refused_with_the_reason(pattern: str, why: str) -> None:
    fault = fault_of_java_regex(pattern)

    assert fault is not None
    assert fault.startswith("Invalid regex: ")
    assert why in fault


def test_a_replacement_puts_groups_in_by_number_and_name() -> None:
    pattern = compile_java(r"(?<db>\w+)\.(\w+)(x)?")
    replace = java_replacement(pattern, r"$2_${db}-$3-$21\$\a")

    assert pattern.sub(replace, "shop.orders", count=1) == "orders_shop--orders1$a"


@pytest.mark.parametrize(
    ("replacement", "why"),
    [
        ("$2", "No group 2"),
        ("${nope}", "No group with name {nope}"),
        ("${open", "missing trailing '}'"),
        ("$", "group index is missing"),
        ("$x", "Illegal group reference"),
        ("\\", "character to be escaped is missing"),
    ],
)
def test_a_replacement_that_names_no_group_is_refused(replacement: str, why: str) -> None:
    with pytest.raises(ValueError, match=why.replace("{", r"\{").replace("}", r"\}")):
        java_replacement(compile_java("(a)"), replacement)
