"""DictSource: makes a dict as value and a dict as source offset for every record, out of nothing.

What a connector author writes without a thought for speed; its rival is rivals/java/DictSourceTask.java, which makes the same
values. `fastconnect` finds it by an entry point, as any plugin (see plugin_path in ours.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from msgspec import Meta

from fastconnect import END, Config, SourceConnector, SourceRecord, SourceTask, Topic
from fastconnect.api.record import Polled


class DictConfig(Config, kw_only=True):
    """Settings of DictSource and of its tasks."""

    topic: Topic
    count: Annotated[int, Meta(ge=0, description="Records of all tasks together; in a task's configuration: of this one.")]
    poll_size: Annotated[int, Meta(ge=1, description="Records in one poll.")] = 2000
    partition_by_task: Annotated[bool, Meta(description="Task n writes to partition n.")] = False
    then_idle: Annotated[bool, Meta(description="Wait for ever after the last record instead of ending.")] = False
    task: Annotated[int, Meta(description="Set for each task by the connector.")] = 0


class DictTask(SourceTask[DictConfig]):
    """Makes records number 0 to `count` - 1 of its task."""

    def start(self, config: DictConfig) -> None:
        self.config = config
        self.source_partition = {"task": config.task}
        self.next = self.context.source_offset(self.source_partition, default={"next": 0})["next"]

    def poll(self) -> Polled:
        first, end = self.next, min(self.next + self.config.poll_size, self.config.count)
        if first >= end:
            if self.config.then_idle:
                self.context.wait(100)
                return None
            return END
        self.next = end
        topic, source_partition = self.config.topic, self.source_partition
        partition = self.config.task if self.config.partition_by_task else None
        records = []
        for number in range(first, end):
            value = {"id": number, "name": f"customer-{number}", "price": number * 0.25, "active": True, "city": "Shenzhen"}
            records.append(
                SourceRecord(
                    topic,
                    value,
                    source_partition=source_partition,
                    source_offset={"next": number + 1},
                    partition=partition,
                )
            )
        return records


class DictSource(SourceConnector[DictConfig]):
    """Divides `count` among the tasks."""

    task_class = DictTask

    def task_configs(self, max_tasks: int) -> Sequence[DictConfig]:
        count = self.config.count
        return [
            self.config.replace(task=task, count=count * (task + 1) // max_tasks - count * task // max_tasks)
            for task in range(max_tasks)
        ]
