"""A validation error of pydantic as problems that point: place, path, value, nearest right name."""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING, Any, get_args

from pydantic import BaseModel

from service import secrets

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pydantic import ValidationError

    from service.marks import Marked, Problem, Step

__all__ = ["explain", "nearest"]


def nearest(word: str, names: Iterable[str]) -> str:
    """`, did you mean 'x'?` for the name closest to `word`; else what there is to choose from."""
    known = sorted(names)
    near = difflib.get_close_matches(word, known, 1, 0.5)
    if near:
        return f", did you mean {near[0]!r}?"
    return f" (known: {', '.join(known)})" if known else ""


def explain(
    marked: Marked, error: ValidationError, model: type[BaseModel], prefix: tuple[Step, ...]
) -> list[Problem]:
    """The problems of `marked` that `error` tells, for the part of the file at `prefix`."""
    found = []
    for fault in error.errors(include_url=False, include_context=True):
        loc = tuple(fault["loc"])
        path = (*prefix, *loc)
        kind, text = fault["type"], _plain(fault["msg"])
        secret = bool(loc) and loc[0] in secrets.fields(model)
        value = "the value" if secret else _shown(fault["input"], path)
        match kind:
            case "extra_forbidden":
                holder = _model_at(model, loc[:-1])
                hint = nearest(str(loc[-1]), _names(holder) if holder else ())
                found.append(marked.problem(path, f"is no known setting{hint}", at_key=True))
            case "missing":
                holder = _model_at(model, loc[:-1])
                secret = holder is not None and loc[-1] in secrets.fields(holder)
                how = f": {secrets.where(str(prefix[-1]), str(loc[-1]))}" if secret and prefix else ""
                found.append(marked.problem(path, f"is missing{how}", at_key=True))
            case "literal_error":
                choices = re.findall(r"'([^']*)'", str(fault["ctx"]["expected"]))
                found.append(
                    marked.problem(path, f"{value} is not allowed{nearest(str(fault['input']), choices)}")
                )
            case "value_error":
                found.append(marked.problem(path, text if value == "a section" else f"{value} {text}"))
            case _:
                found.append(marked.problem(path, f"{text[:1].lower()}{text[1:]} (got {value})"))
    return found


def _names(model: type[BaseModel]) -> list[str]:
    """The keys of a section as they are written."""
    return [field.alias or name for name, field in model.model_fields.items()]


def _plain(text: str) -> str:
    return text.removeprefix("Value error, ").removeprefix("Assertion failed, ")


def _shown(value: Any, path: tuple[Step, ...]) -> str:
    """The value as written, short; never that of a section or of something that might be secret."""
    if isinstance(value, dict | list):
        return "a section" if isinstance(value, dict) else "a list"
    if any(re.search(r"secret|token|password|key", str(step)) for step in path):
        return "the value"
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}…"


def _model_at(model: type[BaseModel], loc: tuple[Step, ...]) -> type[BaseModel] | None:
    """The model that describes the section at `loc`, if a model does."""
    here: Any = model
    for step in loc:
        if isinstance(step, int):
            continue  # an item of a list: `here` is what the list holds
        if isinstance(here, type) and issubclass(here, BaseModel):
            field = here.model_fields.get(str(step))
            if field is None:
                return None
            here = field.annotation
        here = _inner(here)
    return here if isinstance(here, type) and issubclass(here, BaseModel) else None


def _inner(annotation: Any) -> Any:
    """The model inside `list[X]`, `dict[str, X]`, `X | None` or `Annotated[X, …]`; else as it is."""
    if isinstance(annotation, type) and not get_args(annotation):
        return annotation
    for part in reversed(get_args(annotation)):
        inner = _inner(part)
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            return inner
    return annotation
