"""The log of events that were sent to us: a file for each hour in which they happened, a line an event.

An event is acknowledged when its line is on the disk. A line counts once however often it was written: the
reader keeps the first of an id. What a crash left half written was never acknowledged, and is cut off before
the next line. So a sender that sends again whatever was not acknowledged loses nothing and doubles nothing.
"""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import astuple, dataclass, fields
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv as arrow_csv

__all__ = ["Event", "EventLog"]

_NAME: Final = "%Y-%m-%dT%H.csv"
_HOUR: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Event:
    """Something that a visitor did. at: microseconds since 1970, UTC; the others as the sender named them."""

    id: str
    at: int
    name: str
    session: str
    visitor: str
    page: str
    channel: str


_SCHEMA: Final = pa.schema([(f.name, pa.int64() if f.name == "at" else pa.string()) for f in fields(Event)])


class EventLog:
    """The log in a folder. One process appends, from one thread at a time; any process reads beside it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._open: dict[str, io.FileIO] = {}

    def append(self, events: Iterable[Event]) -> None:
        """Write the events down; they are on the disk when this returns. Raises OSError: none may count."""
        lines: dict[str, io.StringIO] = {}
        for event in events:
            name = datetime.fromtimestamp(event.at / 1e6, UTC).strftime(_NAME)
            csv.writer(lines.setdefault(name, io.StringIO()), lineterminator="\n").writerow(astuple(event))
        for name, text in lines.items():
            file = self._file(name)
            size = os.fstat(file.fileno()).st_size
            try:
                _write(file, text.getvalue().encode())
            except OSError:
                os.ftruncate(file.fileno(), size)  # a full disk: half a line would swallow the next one
                raise
        for name in list(self._open)[:-8]:  # the hours that late events still reach stay open
            self._open.pop(name).close()

    def read(self, start: datetime, end: datetime) -> pa.Table:
        """The events that happened in [start, end), the first of each id, in order of `at`."""
        hour = start.replace(minute=0, second=0, microsecond=0)
        parts = []
        while hour < end:
            parts.append(_read(self._folder / hour.strftime(_NAME)))
            hour += _HOUR
        found = pa.concat_tables(parts) if parts else _SCHEMA.empty_table()
        low, high = (int(moment.timestamp() * 1_000_000) for moment in (start, end))
        found = found.filter((pc.field("at") >= low) & (pc.field("at") < high)).sort_by("at")
        place = pa.array(range(found.num_rows), pa.int64())
        first = (
            found.append_column("place", place)
            .group_by("id", use_threads=False)
            .aggregate([("place", "min")])
        )
        return found.take(first["place_min"].sort())

    def forget(self, before: datetime) -> None:
        """Remove the hours that ended before then."""
        for path in self._hours():
            if datetime.strptime(path.name, _NAME).replace(tzinfo=UTC) + _HOUR <= before:
                self._open.pop(path.name, io.BytesIO()).close()
                path.unlink()

    def close(self) -> None:
        """Release the files."""
        while self._open:
            self._open.popitem()[1].close()

    def _hours(self) -> Iterator[Path]:
        yield from sorted(self._folder.glob("????-??-??T??.csv"))

    def _file(self, name: str) -> io.FileIO:
        if name not in self._open:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            path = self._folder / name
            file = io.FileIO(os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600), "a+")
            _mend(file)
            folder = os.open(self._folder, os.O_RDONLY)
            try:
                os.fsync(folder)  # the file's name is on the disk too
            finally:
                os.close(folder)
            self._open[name] = file
        self._open[name] = self._open.pop(name)  # the newest used stands last
        return self._open[name]


def _write(file: io.FileIO, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(file.fileno(), rest) :]
    os.fdatasync(file.fileno())


def _mend(file: io.FileIO) -> None:
    """Cut off what a crash left of a line."""
    size = os.fstat(file.fileno()).st_size
    tail = os.pread(file.fileno(), 1 << 16, max(size - (1 << 16), 0))  # no line is nearly as long
    whole = tail.rfind(b"\n") + 1
    if whole < len(tail):
        os.ftruncate(file.fileno(), size - len(tail) + whole)


def _read(path: Path) -> pa.Table:
    """A file's whole lines: one that is being written is of the next look."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return _SCHEMA.empty_table()
    whole = data[: data.rfind(b"\n") + 1]
    if not whole:
        return _SCHEMA.empty_table()
    names: Sequence[str] = _SCHEMA.names
    return arrow_csv.read_csv(
        pa.py_buffer(whole),
        read_options=arrow_csv.ReadOptions(column_names=names, use_threads=False),
        convert_options=arrow_csv.ConvertOptions(column_types=_SCHEMA, strings_can_be_null=False),
    )
