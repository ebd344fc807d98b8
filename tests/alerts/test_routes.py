from __future__ import annotations

import pytest
from pydantic import ValidationError

from alerts.notify.contract import Severity
from alerts.routes import Address, Person, Receiver, Routing, default_routes

ROUTING = Routing(
    people=(
        Person(name="Dana", slack="U0000001", email="dana@team.test", phone="+4930000001"),
        Person(name="Sam", email="sam@team.test"),
    ),
    second="Sam",
)
DEFAULTS = {"slack": "C0000001", "email": "", "sms": ""}

RESOLVED = {
    "the channel's default": ("slack", "", ("slack", "C0000001")),
    "the owner's own address": ("slack", "owner", ("slack", "U0000001")),
    "a role": ("email", "second", ("email", "sam@team.test")),
    "a person": ("email", "Dana", ("email", "dana@team.test")),
    "an address": ("email", "team@team.test", ("email", "team@team.test")),
    "the inbox of a person": ("inbox", "Sam", ("inbox", "Sam")),
    "the inbox without a name is the owner's": ("inbox", "", ("inbox", "Dana")),
    "somebody without an address there": ("sms", "Sam", None),
    "a role that nobody has": ("email", "manager", None),
    "a channel that is not set up": ("apprise", "ops", None),
    "a channel without a default": ("email", "", None),
}


@pytest.mark.parametrize(("channel", "to", "wanted"), RESOLVED.values(), ids=RESOLVED)
def test_a_receiver_is_resolved(channel, to, wanted):
    found = ROUTING.resolve(Receiver(channel, to), "Dana", DEFAULTS)
    assert found == (Address(*wanted) if wanted else None)


def test_an_owner_without_an_address_is_nobody_there():
    assert ROUTING.resolve(Receiver("sms", "owner"), "Sam", DEFAULTS) is None
    assert ROUTING.resolve(Receiver("sms", "owner"), "a team", DEFAULTS) is None


def test_default_routes_use_what_is_set_up():
    everything = default_routes(["slack", "email", "sms"])
    assert everything == {
        Severity.CRITICAL: (("slack", ""), ("sms", "owner")),
        Severity.WARNING: (("email", "owner"),),
        Severity.INFO: (("inbox", "owner"),),
    }
    assert set(default_routes([]).values()) == {(("inbox", "owner"),)}
    assert default_routes(["slack"])[Severity.CRITICAL] == (("slack", ""),)


def test_a_receiver_is_written_in_one_word_or_two():
    written = Routing.model_validate({"routes": {"warning": ["email Dana", "slack"]}})
    assert written.route(Severity.WARNING, []) == (("email", "Dana"), ("slack", ""))
    assert str(Receiver("email", "Dana")) == "email Dana"
    with pytest.raises(ValidationError, match="begins with no channel"):
        Routing.model_validate({"routes": {"warning": ["pigeon Dana"]}})
