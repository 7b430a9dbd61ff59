from __future__ import annotations

import click
import pytest

from fastconnect.cli import options
from fastconnect.errors import ConfigError


def test_settings_are_split_at_the_first_equals_sign():
    assert options.parse_settings(["a.b=c=d", " x = y ", "empty="]) == {"a.b": "c=d", "x": "y", "empty": ""}


@pytest.mark.parametrize("setting", ["topic", "=x", " = "])
def test_a_setting_without_a_key_or_an_equals_sign_is_refused(setting):
    with pytest.raises(click.BadParameter, match="is not KEY=VALUE"):
        options.parse_settings([setting])


def test_keys_that_only_the_worker_has_go_to_the_worker_and_all_others_to_the_connectors():
    given = {
        "offset.flush.interval.ms": "1",
        "producer.linger.ms": "2",
        "producer.override.linger.ms": "3",
        "value.converter": "4",
        "topic": "5",
        "no.such.key": "6",
    }

    for_worker, for_connectors = options.split_settings(given)

    assert set(for_worker) == {"offset.flush.interval.ms", "producer.linger.ms"}
    assert set(for_connectors) == set(given) - set(for_worker)


def test_the_command_line_counts_more_than_the_worker_file(tmp_path):
    file = tmp_path / "worker.properties"
    file.write_text("bootstrap.servers=a:1\noffset.flush.interval.ms=1\nslots.max=7\n")

    properties = options.worker_properties(file, "b:2", {"offset.flush.interval.ms": "9"})

    assert properties == {"bootstrap.servers": "b:2", "offset.flush.interval.ms": "9", "slots.max": "7"}


def test_two_connectors_of_one_name_are_refused_with_both_places():
    with pytest.raises(ConfigError, match=r"Connector a already exists: it is in x\.json and in y\.json"):
        options.refuse_twins([("a", "x.json"), ("b", "x.json"), ("a", "y.json")])
