"""What went wrong at a source, told by what to do next.

    SourceError
    ├── Retry                  nothing is wrong with us: ask again later
    │   ├── RateLimited        the source names a wait, or we chose one before its wall
    │   └── Unavailable        5xx, a hang, a dropped or half-sent reply
    └── Stop                   asking again changes nothing until somebody acts
        ├── Unauthorized       a dead token, a missing permission
        ├── TooMuchData        the same request in smaller pieces would pass
        └── Unexpected         a reply or a refusal that we do not understand

Every error carries its cause in the source's words and, for people, how to mend it. Messages never
hold a token: they pass through `redact` on the way in.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import timedelta

__all__ = [
    "RateLimited",
    "Retry",
    "SourceError",
    "Stop",
    "TooMuchData",
    "Unauthorized",
    "Unavailable",
    "Unexpected",
    "redact",
]

_SECRET = re.compile(
    r"""(?ix)
    ( (?: access_token | appsecret_proof | app_secret | client_secret | refresh_token
        | developer[-_]token | fb_exchange_token | input_token | code_verifier | assertion )
      (?: (?: ["'] | %2[27] )? (?: \s* [=:] \s* | %3[DA] ) (?: b?["'] | %2[27] )?  # also percent-encoded
        | ["'] \s* , \s* b?["'] ) )  # a pair, as headers and parameters are passed
      [^\s&"',;)}\]]+
    | ( \b(?: Bearer | OAuth ) \s+ ) (?= \S* \d ) [\w.~+/=-]{8,}  # not the words after OAuth
    | ( \b ) (?: ya29\.[\w.-]+ | EAA[A-Za-z0-9]{8,} | 1//[\w-]{8,} )
    """
)


def redact(text: str) -> str:
    """`text` with every token, secret and proof replaced by three dots.

    Meta's SDK puts the access token into the text of its connection errors, so this is the only
    way a source's words may enter a message, a log or the journal.
    """
    return _SECRET.sub(lambda match: next(g for g in match.groups() if g is not None) + "...", text)


class SourceError(Exception):
    """A source did not answer as hoped.

    cause: the source's own words, redacted.
    mend: one sentence that says what a person can do; empty when there is nothing to do but wait.
    request_id: the source's id of the failed request, to quote to its support.
    code: the source's own code for what went wrong (Meta: "190/463"), "" where it gave none.
    """

    def __init__(self, cause: str, *, mend: str = "", request_id: str = "", code: str = "") -> None:
        self.cause = redact(cause)
        self.mend = mend
        self.request_id = request_id
        self.code = code
        super().__init__(self.cause)

    def __reduce__(self) -> tuple[object, ...]:
        # Errors cross from worker processes to the owner by pickle, keyword arguments included.
        return (_rebuild, (type(self), dict(self.__dict__)))


def _rebuild(kind: type[SourceError], state: dict[str, object]) -> SourceError:
    error = kind.__new__(kind)
    Exception.__init__(error, state["cause"])
    error.__dict__.update(state)
    return error


class Retry(SourceError):
    """Ask again later; nothing needs mending on our side."""


class RateLimited(Retry):
    """The source asked us to wait.

    retry_after: how long, as the source says it, or our own guess where it does not.
    """

    def __init__(
        self, cause: str, *, retry_after: timedelta, mend: str = "", request_id: str = "", code: str = ""
    ) -> None:
        super().__init__(cause, mend=mend, request_id=request_id, code=code)
        self.retry_after = retry_after


class Unavailable(Retry):
    """The source failed, hung, or broke off in the middle of a reply."""


class Stop(SourceError):
    """Asking again changes nothing until somebody acts."""


class Unauthorized(Stop):
    """The token is dead or the permission is missing."""


class TooMuchData(Stop):
    """The request is too large; the caller splits it."""


class Unexpected(Stop):
    """A reply, or a refusal, that this connector does not understand."""
