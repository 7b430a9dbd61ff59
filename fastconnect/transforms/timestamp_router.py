"""TimestampRouter: topics are named by the records' timestamps: `logs-20240229`. Source: Kafka Connect's TimestampRouter."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated

from fastconnect.api.config import Config, Fault, Meta
from fastconnect.api.transform import Records, Transform
from fastconnect.errors import DataError
from fastconnect.transforms.date_format import DateFormat

_HIGH = {"importance": "HIGH"}


class TimestampRouterConfig(Config):
    """How the topic's name is made."""

    topic_format: Annotated[
        str,
        Meta(
            description="The new name; `${topic}` stands for the old one and `${timestamp}` for the timestamp.",
            extra_json_schema=_HIGH,
        ),
    ] = "${topic}-${timestamp}"
    timestamp_format: Annotated[
        str,
        Meta(
            description="How the timestamp is written: a pattern of Java's SimpleDateFormat; in UTC.", extra_json_schema=_HIGH
        ),
    ] = "yyyyMMdd"

    def check(self) -> Iterable[Fault]:
        """The pattern must be one."""
        try:
            DateFormat(self.timestamp_format)
        except ValueError as error:
            key = "timestamp.format"
            yield Fault(key, f"Invalid value {self.timestamp_format} for configuration {key}: {error}")


class TimestampRouter(Transform[TimestampRouterConfig]):
    """Gives records a topic by their timestamp."""

    def configure(self, configs: Mapping[str, str | None]) -> None:
        """Take the settings and check them."""
        super().configure(configs)
        self._format = DateFormat(self.config.timestamp_format)

    def apply_batch(self, records: Records) -> Records:
        """Return the records with their new topics."""
        count = len(records)
        topics = [records.topics] * count if isinstance(records.topics, str) else records.topics
        timestamps = records.timestamps
        if timestamps is None or None in timestamps:
            if count == 0:
                return records
            raise DataError(
                "Timestamp missing on record", hint="the source gives it none; TimestampRouter is mainly for sink connectors"
            )
        step = self._format.step_ms
        made: dict[tuple[str, int], str] = {}
        routed = []
        for topic, timestamp in zip(topics, timestamps, strict=True):
            assert timestamp is not None
            known = (topic, timestamp // step)
            if known not in made:
                text = self.config.topic_format.replace("${topic}", topic)
                made[known] = text.replace("${timestamp}", self._format.format(timestamp))
            routed.append(made[known])
        return records.replace(topics=routed[0] if len(made) == 1 else routed)
