"""What many look at: worked out once a version of the data, the same object for all, let go with the version."""

import gc
import weakref
from datetime import UTC, datetime, timedelta
from itertools import count

from connectors.contract import Window
from metrics.compare import Comparison
from panels._once import once
from panels._scope import Scope
from panels._view import View

KEY = ("google_ads", "1")
VERSIONS = count(1)


class Found:
    """Something that was worked out."""


asked = []


@once
def work(version, view):
    asked.append((version, view))
    return Found()


def view(hour, *, as_of=None):
    start = datetime(2026, 11, 24, tzinfo=UTC)
    window = Window(start, start + timedelta(hours=hour))
    scope = Scope("EUR", "All", "EUR", (KEY,))
    step = timedelta(hours=1)
    return View(scope, "today", {KEY: window}, Comparison.YESTERDAY, as_of, step, window.end)


def test_equal_views_share_one_and_others_do_not():
    version = next(VERSIONS)
    asked.clear()
    first = work(version, view(3))
    assert work(version, view(3)) is first
    assert work(version, view(4)) is not first
    assert work(version, view(3, as_of=datetime(2026, 11, 23, tzinfo=UTC))) is not first
    assert len(asked) == 3


def test_a_new_version_is_worked_out_anew_and_the_old_one_let_go():
    old = weakref.ref(work(next(VERSIONS), view(3)))
    gc.collect()
    assert old() is not None
    new = work(next(VERSIONS), view(4))
    gc.collect()
    assert old() is None
    assert isinstance(new, Found)
