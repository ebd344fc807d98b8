"""A table as a file: CSV that a spreadsheet opens without obeying it, and Parquet for all else.

A cell that starts with `=`, `+`, `-` or `@` is a formula to a spreadsheet, and a campaign's name is whatever
somebody typed. Texts that could be one get an apostrophe before them
(https://owasp.org/www-community/attacks/CSV_Injection), every text stands in quotes, so that neither a comma
nor a semicolon starts a cell of its own, and numbers stay bare numbers.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from io import BytesIO
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

__all__ = ["HEADER_LINES", "About", "csv", "file_name", "guarded", "parquet"]

HEADER_LINES = 4
"""Lines of a CSV before its header row: `pandas.read_csv(path, skiprows=4)`."""

_BIDI = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_FORMULA = frozenset("=+-@'\uff1d\uff0b\uff0d\uff20")
"""What starts a formula, full-width twins too; and the apostrophe, so that one can be taken off again."""


@dataclass(frozen=True, slots=True)
class About:
    """What a reader must know to trust a file later.

    subject: what the rows are; names the file. window: which hours, in words. as_of: up to when the sources
    vouch for it, aware; None where nothing is known yet. definitions: version by metric.
    """

    subject: str
    window: str = ""
    as_of: datetime | None = None
    definitions: Mapping[str, int] = field(default_factory=dict)

    def plain(self) -> dict[str, str]:
        """The same as texts, by name."""
        return {
            "subject": self.subject,
            "window": self.window,
            "as_of": self.as_of.astimezone(UTC).isoformat(timespec="minutes") if self.as_of else "",
            "definitions": ", ".join(f"{name} v{v}" for name, v in sorted(self.definitions.items())),
        }


def file_name(about: About, suffix: str) -> str:
    """Subject, window and as-of, in letters that every file system takes."""
    parts = [about.subject, about.window]
    if about.as_of:
        parts.append(f"as of {about.as_of.astimezone(UTC):%Y%m%dT%H%MZ}")
    slugs = (re.sub(r"[^a-z0-9]+", "-", part.lower()).strip("-")[:60] for part in parts)
    return f"{'_'.join(slug for slug in slugs if slug) or 'table'}.{suffix}"


def guarded(text: str) -> str:
    """`text` as no spreadsheet takes it for a formula; a text that needed it starts with an apostrophe.

    Control characters become blanks and bidirectional ones are dropped: a cell is one line, read as written.
    Who strips one leading apostrophe has the text back.
    """
    kept = "".join(
        " " if unicodedata.category(c) in ("Cc", "Zl", "Zp") else c for c in text if c not in _BIDI
    )
    # Blanks and zero-width characters before a formula do not keep every spreadsheet from obeying it.
    first = next((c for c in kept if unicodedata.category(c)[0] not in "ZC"), "")
    return f"'{kept}" if first in _FORMULA else kept


def csv(columns: Mapping[str, Sequence[Any]], about: About) -> bytes:
    """UTF-8 with a byte order mark (Excel asks for it): what it is about in comments, names, rows.

    Text is quoted, numbers and moments (ISO 8601, UTC) are bare, what is unknown is empty; a list stands
    in one cell, its parts separated by `; `.
    """
    told = [f"# {name}: {guarded(value)}" for name, value in about.plain().items()]
    lines = [*told, ",".join(map(_cell, columns))]
    lines += (",".join(map(_cell, row)) for row in zip(*columns.values(), strict=True))
    return ("\r\n".join(lines) + "\r\n").encode("utf-8-sig", errors="replace")


def _cell(value: Any) -> str:
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, list | tuple):
        value = "; ".join(str(part) for part in value)
    return '"' + guarded(str(value)).replace('"', '""') + '"'


def parquet(columns: Mapping[str, Sequence[Any]], about: About) -> bytes:
    """The columns as they are, with what they are about in the schema's metadata (keys `paceline.…`)."""
    table = pa.table({name: pa.array(list(values)) for name, values in columns.items()})
    told = {f"paceline.{name}": value for name, value in about.plain().items()}
    out = BytesIO()
    pq.write_table(table.replace_schema_metadata(told), out)
    return out.getvalue()
