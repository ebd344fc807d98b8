"""The `fields` parameter: names, expanded into edges and objects, with parameters of their own.

id,name,adsets.limit(2).effective_status(["ACTIVE"]){id,name},insights.date_preset(today).as(now){spend}
"""

from __future__ import annotations

from dataclasses import dataclass, field

from sandbox.meta_errors import GraphError

__all__ = ["Field", "parse"]

_CLOSES = {"(": ")", "{": "}", "[": "]"}


@dataclass(frozen=True, slots=True)
class Field:
    """One name asked for. args: the modifiers' texts. inner: what is asked of it, None where nothing was."""

    name: str
    args: dict[str, str] = field(default_factory=dict)
    inner: tuple[Field, ...] | None = None

    @property
    def key(self) -> str:
        """The name under which it is answered."""
        return self.args.get("as", self.name)

    def __str__(self) -> str:
        args = "".join(f".{name}({value})" for name, value in self.args.items())
        inner = "" if self.inner is None else "{" + ",".join(map(str, self.inner)) + "}"
        return self.name + args + inner


def parse(text: str) -> tuple[Field, ...]:
    """The fields that `text` asks for, in order, each once.

    A whole list in brackets, its names quoted or not, is read as well. Raises GraphError 2500.
    """
    text = text.strip()
    if text.startswith("[") and text.endswith("]"):
        text = text[1:-1]
    found: dict[str, Field] = {}
    for part in _split(text):
        one = _field(part)
        found[one.key] = one
    return tuple(found.values())


def _syntax(text: str) -> GraphError:
    return GraphError(
        2500, f"Syntax error \"Expected end of string instead of '{text[:1]}'.\" at character 0: {text[:40]}"
    )


def _split(text: str) -> list[str]:
    """`text` at its outermost commas."""
    parts, start, place = [], 0, 0
    while place < len(text):
        if text[place] in _CLOSES:
            place = _end(text, place)
        elif text[place] == ",":
            parts.append(text[start:place])
            start = place + 1
        place += 1
    parts.append(text[start:])
    return [part.strip() for part in parts if part.strip()]


def _end(text: str, start: int) -> int:
    """Where the bracket that opens at `start` closes; what stands in quotes opens and closes nothing."""
    expected: list[str] = []
    quote = ""
    for place in range(start, len(text)):
        char = text[place]
        if quote:
            quote = "" if char == quote else quote
        elif char in "\"'":
            quote = char
        elif char in _CLOSES:
            expected.append(_CLOSES[char])
        elif char in ")}]":
            if char != expected.pop():
                raise _syntax(text[place:])
            if not expected:
                return place
    raise _syntax(text[start:])


def _field(text: str) -> Field:
    text = text.strip().strip("\"'")
    size = next((place for place, char in enumerate(text) if char in ".({"), len(text))
    name, rest = text[:size].strip(), text[size:]
    if not name.replace("_", "").isalnum():
        raise _syntax(text)
    args: dict[str, str] = {}
    inner: tuple[Field, ...] | None = None
    while rest:
        if rest[0] == "{":
            close = _end(rest, 0)
            inner = parse(rest[1:close])
        elif rest[0] == "." and "(" in rest:
            open_ = rest.index("(")
            close = _end(rest, open_)
            args[rest[1:open_].strip()] = rest[open_ + 1 : close].strip()
        else:
            raise _syntax(rest)
        rest = rest[close + 1 :].strip()
    return Field(name, args, inner)
