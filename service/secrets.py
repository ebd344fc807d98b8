"""Where secrets come from: `.streamlit/secrets.toml` of the workspace, or the environment.

    [google_ads]                      PACELINE_GOOGLE_ADS_REFRESH_TOKEN=…
    refresh_token = "…"

The environment wins over the file. Neither a value nor a part of one is ever repeated in a message.
"""

from __future__ import annotations

import stat
import tomllib
from typing import TYPE_CHECKING, Any

from pydantic import SecretStr

from service.marks import Problem

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pydantic import BaseModel

__all__ = ["FILE", "exposed", "fields", "from_environment", "read", "reveal", "variable", "where"]

FILE = ".streamlit/secrets.toml"


def fields(settings: type[BaseModel]) -> set[str]:
    """The names of a connector's settings that hold secrets: those typed `SecretStr`, optional or not."""
    return {name for name, field in settings.model_fields.items() if "SecretStr" in repr(field.annotation)}


def variable(source: str, field: str) -> str:
    """The environment variable of one setting of a source."""
    return f"PACELINE_{source}_{field}".upper()


def where(source: str, field: str) -> str:
    """For people: the two places where a secret may stand."""
    return f"put it into {FILE} under [{source}], or set {variable(source, field)}"


def read(folder: Path) -> tuple[dict[str, Any], list[Problem]]:
    """The workspace's secrets by section; a missing file is an empty one."""
    path = folder / FILE
    if not path.exists():
        return {}, []
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        return {}, [Problem(FILE, 0, 0, "", f"cannot be read: {error.strerror}")]
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        # The decoder's message gives the place, and may quote a character, never the value.
        return {}, [Problem(FILE, 0, 0, "", f"is not TOML: {error}")]
    return data, []


def exposed(folder: Path) -> bool:
    """Whether other users of this machine can read the secrets file."""
    path = folder / FILE
    return path.exists() and bool(path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO))


def from_environment(source: str, settings: type[BaseModel], environ: Mapping[str, str]) -> dict[str, str]:
    """What the environment says about a source, secrets and other settings alike."""
    return {
        name: environ[variable(source, name)]
        for name in settings.model_fields
        if environ.get(variable(source, name))
    }


def reveal(settings: Mapping[str, Any]) -> list[str]:
    """The secret values among a source's settings, for scrubbing them out of texts."""
    values = (value.get_secret_value() for value in settings.values() if isinstance(value, SecretStr))
    return [value for value in values if value]
