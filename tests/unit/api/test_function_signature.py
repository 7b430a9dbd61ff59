from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import pytest

from fastconnect import Config, Duration, Meta, Topic
from fastconnect.api.function_signature import REQUIRED, Setting, signature_of


class PageConfig(Config):
    page_size: int = 500


def keys(function: Callable[..., Any], **more: Setting) -> dict[str, str | None]:
    """The keys of the function's config and their defaults."""
    made = signature_of(function, frozenset({"offset"}), more).config_class
    return {entry.key: "required" if entry.required else entry.default_text() for entry in made.fields()}


def test_plain_parameters_become_keys_with_their_defaults() -> None:
    def clicks(url: str, page_size: int = 500, *, every: Duration = 1000, kinds: list[str] = ["a", "b"]) -> None: ...  # noqa: B006

    assert keys(clicks) == {"url": "required", "page.size": "500", "every": "1000", "kinds": "a,b"}


def test_a_parameter_without_annotation_is_what_its_default_is_or_text() -> None:
    def clicks(url, limit=3, deep=False, name=None): ...  # type: ignore[no-untyped-def]

    config = signature_of(clicks, frozenset(), {}).config_class.parse({"url": "u", "limit": "4", "deep": "true"})
    assert (config.url, config.limit, config.deep, config.name) == ("u", 4, True, None)  # type: ignore[attr-defined]


def test_limits_and_descriptions_are_those_of_a_config_class() -> None:
    def clicks(limit: Annotated[int, Meta(ge=1, description="How many.")] = 1) -> None: ...

    made = signature_of(clicks, frozenset(), {}).config_class
    assert [str(fault) for fault in made.faults({"limit": "0"})] == [
        "limit: Invalid value 0 for configuration limit: Value must be at least 1"
    ]
    assert made.fields()[0].type.description == "How many."


def test_what_the_runtime_gives_is_no_setting() -> None:
    def clicks(path: Path, offset: int | None = None) -> tuple[Path, int | None]:
        return path, offset

    signature = signature_of(clicks, frozenset({"offset", "context"}), {})
    assert keys(clicks) == {"path": "required"}
    assert signature.call(signature.config_class.parse({"path": "/a"}), offset=7, context="unwanted") == (Path("/a"), 7)


def test_one_parameter_may_take_the_whole_config() -> None:
    def clicks(config: PageConfig, offset: int) -> int:
        return config.page_size + offset

    signature = signature_of(clicks, frozenset({"offset"}), {})
    assert signature.config_class is PageConfig
    assert signature.call(PageConfig(page_size=1), offset=2) == 3


def test_more_settings_are_added_unless_the_function_has_them() -> None:
    topic = Setting(Topic)

    def without(url: str) -> None: ...
    def having(url: str, topic: str = "mine") -> None: ...
    def with_class(config: PageConfig) -> None: ...

    assert keys(without, topic=topic) == {"url": "required", "topic": "required"}
    assert keys(having, topic=topic) == {"url": "required", "topic": "mine"}
    assert keys(with_class, topic=topic) == {"page.size": "500", "topic": "required"}
    made = signature_of(with_class, frozenset(), {"topic": topic}).config_class
    assert issubclass(made, PageConfig)
    assert topic.default is REQUIRED


def with_stars(*urls: str) -> None: ...
def with_a_type_that_is_no_text(link: object) -> None: ...
def with_both(config: PageConfig, url: str) -> None: ...
def with_an_unknown_name(url: Nowhere) -> None: ...  # type: ignore[name-defined]  # noqa: F821
def with_a_taken_name(parse: str) -> None: ...


def test_annotations_that_are_no_settings_may_be_known_to_the_type_checker_only() -> None:
    def clicks(url: str, offset: Elsewhere) -> Nowhere: ...  # type: ignore[name-defined]  # noqa: F821

    assert keys(clicks) == {"url": "required"}


@pytest.mark.parametrize(
    ("function", "why"),
    [
        (with_stars, r"with_stars: the parameter \*urls: .* cannot be a setting"),
        (with_a_type_that_is_no_text, r"with_a_type_that_is_no_text: link: <class 'object'> is not supported in a Config"),
        (with_both, "with_both: url: make it a field of PageConfig"),
        (with_an_unknown_name, "with_an_unknown_name: the annotation of url cannot be read: name 'Nowhere' is not defined"),
        (with_a_taken_name, "parse would hide Config.parse"),
        (3, "3 is not a function"),
    ],
)
def test_what_cannot_be_a_setting_is_told_with_the_function_and_the_parameter(function: Any, why: str) -> None:
    with pytest.raises(TypeError, match=why):
        signature_of(function, frozenset(), {})
