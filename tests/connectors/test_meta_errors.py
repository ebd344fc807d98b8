"""Each of Meta's refusals by what to do next: codes and meanings from its published error references."""

import pickle
from datetime import timedelta

import pytest

from connectors._meta_errors import Refusal, translate
from connectors._meta_limits import Load, load
from connectors.errors import RateLimited, TooMuchData, Unauthorized, Unavailable, Unexpected


@pytest.mark.parametrize(
    ("code", "subcode", "kind", "mend"),
    [
        (190, None, Unauthorized, "new access token"),
        (190, 458, Unauthorized, "app was removed"),
        (190, 459, Unauthorized, "checkpoint"),
        (190, 460, Unauthorized, "password was changed"),
        (190, 463, Unauthorized, "expired"),
        (190, 467, Unauthorized, "log-out"),
        (102, None, Unauthorized, "new access token"),
        (10, None, Unauthorized, "ads_read"),
        (200, None, Unauthorized, "ads_read"),
        (294, None, Unauthorized, "ads_read"),
        (100, 33, Unauthorized, "give the token's user access"),
        (1, None, Unavailable, ""),
        (1, 99, Unavailable, ""),
        (2, None, Unavailable, ""),
        (2, 1504043, Unavailable, ""),
        (2, 1504044, Unavailable, ""),
        (2, 1504041, Unexpected, ""),
        (2, 1504042, Unexpected, ""),
        (-2, 2490547, Unavailable, ""),
        (2601, 1815107, Unavailable, ""),
        (100, 1487534, TooMuchData, ""),
        (100, 1504018, TooMuchData, ""),
        (2, 1504038, TooMuchData, ""),
        (100, None, Unexpected, ""),
        (2635, None, Unexpected, "api_version"),
        (3018, None, Unexpected, "37 months"),
        (368, None, Unexpected, ""),
        *((code, None, RateLimited, "") for code in (4, 17, 32, 341, 613, 80000, 80004, 80014)),
    ],
)
def test_codes(code, subcode, kind, mend):
    told = {"code": code, "message": "in Meta's words", "fbtrace_id": "Aq1"}
    told |= {"error_subcode": subcode} if subcode else {}
    error = translate(Refusal.read(told, status=400, wait=None))
    assert type(error) is kind
    assert mend in error.mend
    assert bool(mend) == bool(error.mend)
    assert error.request_id == "Aq1"
    assert error.code == (f"{code}/{subcode}" if subcode else str(code))
    assert "in Meta's words" in str(error)
    assert pickle.loads(pickle.dumps(error)).__dict__ == error.__dict__


def test_words_decide_where_codes_do_not():
    def kind(code, message, **more):
        return type(translate(Refusal(code, 0, message, **more)))

    assert (
        kind(1, "Please reduce the amount of data you're asking for, then retry", status=500) is TooMuchData
    )
    assert kind(100, "Invalid appsecret_proof provided in the API argument") is Unauthorized
    assert kind(2500, "An active access token must be used to query") is Unauthorized
    assert kind(2500, "Unknown path components: /x") is Unexpected
    assert kind(9999, "new", status=503) is Unavailable
    assert kind(9999, "new", transient=True) is Unavailable
    assert kind(9999, "new") is Unexpected
    assert kind(0, "slow down", status=429) is RateLimited


def test_words_for_people_are_kept():
    told = {
        "code": 2,
        "error_subcode": 1504041,
        "message": "Service",
        "error_user_msg": "Try other breakdowns.",
    }
    error = translate(Refusal.read(told, status=400, wait=None))
    assert error.cause == "Meta answered 2/1504041: Service: Try other breakdowns."


def test_a_wait_is_the_named_one_or_a_quarter_of_the_hour_that_is_counted():
    named = translate(Refusal(17, 0, "slow", wait=timedelta(minutes=4)))
    assert named.retry_after == timedelta(minutes=4)
    assert translate(Refusal(17, 0, "slow")).retry_after == timedelta(minutes=15)


USE_CASE = (
    '{"77": [{"type": "ads_insights", "call_count": 12, "total_cputime": %d, "total_time": 5,'
    ' "estimated_time_to_regain_access": %d, "ads_api_access_tier": "standard_access"}], "78": []}'
)


@pytest.mark.parametrize(
    ("headers", "used", "regain"),
    [
        ({}, 0, None),
        ({"x-app-usage": '{"call_count": 3, "total_cputime": 91, "total_time": 2}'}, 0.91, None),
        ({"x-ad-account-usage": '{"acc_id_util_pct": 9.67, "reset_time_duration": 100}'}, 0.0967, None),
        ({"x-fb-ads-insights-throttle": '{"app_id_util_pct": 10.5, "acc_id_util_pct": 20}'}, 0.2, None),
        ({"x-business-use-case-usage": USE_CASE % (40, 0)}, 0.4, None),
        ({"x-business-use-case-usage": USE_CASE % (4, 17)}, 0.12, timedelta(minutes=17)),
        (
            {"x-app-usage": "not JSON", "x-ad-account-usage": "[1]", "x-business-use-case-usage": "{}"},
            0,
            None,
        ),
    ],
)
def test_usage_headers(headers, used, regain):
    told = load(headers)
    assert told.used == pytest.approx(used)
    assert told.regain == regain


def test_we_hold_back_before_the_wall():
    assert Load(used=0.74).pause is None
    assert Load(used=0.75).pause == timedelta(minutes=12)  # 1 - 0.6 / 0.75 of an hour
    assert Load(used=1.0).pause == timedelta(minutes=24)
    assert Load(used=0.2, regain=timedelta(minutes=3)).pause == timedelta(minutes=3)
