"""The settings of FileSource, and of each of its tasks."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Literal

from fastconnect.api.config import Bytes, Config, Duration, Fault, Meta, Topic, field
from fastconnect.connectors.file_set import PackedRanges, split_paths


class FileSourceConfig(Config):
    """What to read, how to take it apart, and where it goes."""

    paths: Annotated[
        str,
        Meta(
            min_length=1,
            description="Files, globs (`logs/*.gz`, `**` for any folders between) and folders (all files below), separated by "
            "commas; a JSON array if a name has a comma.",
        ),
    ]
    topic: Annotated[Topic, Meta(description="The topic that the records go to.")]
    format: Annotated[
        Literal["lines", "json", "csv"],
        Meta(
            description="What the files hold: text lines, one JSON value a line, or CSV rows (each row becomes a JSON object)."
        ),
    ] = "lines"
    json_validate: Annotated[
        bool,
        Meta(
            description="Whether to look for lines that are not JSON: errors.tolerance says whether one stops the task (none) "
            "or is skipped (all). false sends JSON lines unseen. Format json only."
        ),
    ] = True
    key_field: Annotated[
        str | None,
        Meta(
            min_length=1,
            description="The field of a JSON object, or the CSV column, that becomes the record's key: the text of a string, "
            "the JSON of any other value; no key where it is missing or null. Unset: no keys.",
        ),
    ] = None
    compression: Annotated[
        Literal["auto", "none", "gzip", "zstd"],
        Meta(description="How the files are compressed; auto looks at their first bytes."),
    ] = "auto"
    encoding: Annotated[
        Literal["utf-8", "bytes"],
        Meta(description="utf-8 stops at a line that is not UTF-8 text; bytes takes lines of any bytes. Format lines only."),
    ] = "utf-8"
    skip_lines: Annotated[int, Meta(ge=0, description="How many lines to leave out at the beginning of each file.")] = 0
    csv_delimiter: Annotated[str, Meta(description="The character between fields; `tab` for a tabulator.")] = ","
    csv_quote: Annotated[str, Meta(description="The character around fields that have delimiters or newlines in them.")] = '"'
    csv_columns: Annotated[
        tuple[str, ...],
        Meta(description="The names of the columns, for files without a header. Unset: the first row has them."),
    ] = ()
    split_bytes: Annotated[
        Bytes,
        Meta(
            ge=4096,
            description="Plain files are read in ranges of this size, by several tasks at once. Keep it while a file is being "
            "read: offsets belong to ranges. CSV and compressed files are read by one task each.",
        ),
    ] = 32 * 1024 * 1024
    block_bytes: Annotated[
        Bytes,
        Meta(ge=1, le=1024**3, description="How much is read and handed over at once; a longer line takes a longer block."),
    ] = 4 * 1024 * 1024
    line_max_bytes: Annotated[
        Bytes,
        Meta(
            ge=1, le=1024**3, description="A line, or CSV row, that is longer than this, and than block.bytes, stops the task."
        ),
    ] = 64 * 1024 * 1024
    watch: Annotated[
        bool,
        Meta(
            description="Whether to wait for further files, and for further lines in known ones, instead of ending. A file is "
            "read as soon as it has not grown for watch.interval.ms."
        ),
    ] = False
    watch_interval_ms: Annotated[Duration, Meta(ge=1, description="How often to look for further files.")] = 1000

    @property
    def ranges_bytes(self) -> int:
        """How long the ranges are that a plain file is read in; 0 if it is read as a whole."""
        return 0 if self.format == "csv" else self.split_bytes

    @property
    def delimiter(self) -> str:
        """The delimiter itself."""
        return "\t" if self.csv_delimiter in ("tab", "\\t") else self.csv_delimiter

    def check(self) -> Iterable[Fault]:
        """See what only several settings together show."""
        if not split_paths(self.paths):
            yield Fault("paths", "names no file")
        if self.format == "lines" and self.key_field is not None:
            yield Fault("key.field", "plain lines have no fields: set format=json or format=csv")
        if self.format != "lines" and self.encoding != "utf-8":
            yield Fault("encoding", f"{self.format} is always UTF-8: leave it out, or set format=lines")
        if self.key_field is not None and any(char in '\\"' or char < " " for char in self.key_field):
            yield Fault("key.field", "a name with quotes, backslashes or control characters is not supported")
        if self.format == "csv":
            yield from self._check_csv()

    def _check_csv(self) -> Iterable[Fault]:
        for key, char in (("csv.delimiter", self.delimiter), ("csv.quote", self.csv_quote)):
            if len(char) != 1 or char in "\r\n":
                yield Fault(key, "must be one character, and no line end")
        if self.delimiter == self.csv_quote:
            yield Fault("csv.quote", "must not be the delimiter")
        for name in sorted({name for name in self.csv_columns if self.csv_columns.count(name) > 1}):
            yield Fault("csv.columns", f"{name!r} comes twice")
        if self.csv_columns and self.key_field is not None and self.key_field not in self.csv_columns:
            yield Fault("key.field", f"{self.key_field!r} is none of csv.columns")


class FileSourceTaskConfig(FileSourceConfig):
    """What one task gets beside that: its share of the work, which FileSource works out."""

    task_ranges: Annotated[PackedRanges, Meta(description="What this task reads (written by FileSource).")] = field(
        default_factory=dict
    )
    task_number: Annotated[
        int, Meta(ge=0, description="Which of the tasks this is, when watching (written by FileSource).")
    ] = 0
    task_count: Annotated[int, Meta(ge=1, description="How many tasks there are, when watching (written by FileSource).")] = 1
