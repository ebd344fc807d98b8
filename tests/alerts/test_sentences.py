"""Every sentence of docs/alerts.md on how alerts behave, from a state to a channel, has its tests: the table.

A sentence is named by its beginning, a test by its file and its name, or that of its row. Whoever writes a sentence names
its tests here, and whoever renames a test does.
"""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

STATE = {
    "A series is a rule on an account": ["judge::what_is_watched_and_false_is_told"],
    "Each evaluation gives it a result": [
        "judge::a_rule_that_fails_is_an_error_of_its_own",
        "judge::an_account_that_missed_its_polls_is_stale_whatever_its_figures",
        "conditions::pace_without_a_budget_cannot_be_told",
    ],
    "Time is the data's.": ["state::time_is_the_datas_not_the_clocks"],
    "Rules are evaluated": ["judge::a_source_that_lags_three_hours_is_judged_at_its_watermark"],
    "`for` and `keep_firing_for` count": [
        "state::time_is_the_datas_not_the_clocks",
        "state::since_fired_and_resolved_are_told_by_the_datas_clock",
    ],
    "Data no newer than": ["state::data_that_is_not_newer_changes_nothing"],
    "Only freshness itself": [
        "conditions::freshness_counts_polls_missed_on_the_wall_clock",
        "conditions::before_arrivals_are_known_clicks_tell_that_the_tag_is_gone",
    ],
    "Pending starts": ["state::pending starts at the first TRUE and fires when for is over"],
    "It fires at a TRUE": ["state::pending fires on a TRUE only"],
    "FALSE clears it": ["state::FALSE clears pending at once, and it starts anew"],
    "Firing ends": [
        "state::keep_firing_for counts from the first FALSE",
        "state::keep_firing_for restarts on TRUE",
    ],
    "Without `keep_firing_for`": ["state::fires at once without for"],
    "NODATA, ERROR and STALE neither": [
        "state::NODATA, ERROR and STALE do not reset pending",
        "state::NODATA, ERROR and STALE do not resolve",
        "state::nor do they start the wait of keep_firing_for",
        "notification::missing_data_neither_resolve_nor_stop_repeats",
    ],
    "`no_data: alert` counts": [
        "state::no_data: alert counts them as TRUE",
        "state::no_data: ok counts them as FALSE",
        "state::no_data: ok clears pending",
    ],
    "A series that is missing": [
        "state::a missing series resolves after two fresh evaluations",
        "state::a series that is back in between does not",
        "state::a pending series that is missing twice is forgotten",
    ],
    "A rule that is gone": ["notification::a_rule_that_is_gone_resolves"],
    "Freshness is a rule": ["conditions::freshness_counts_polls_missed_on_the_wall_clock"],
    "Polls that nobody made": ["conditions::polls_that_nobody_made_are_not_missed"],
    "A source that answers": [
        "conditions::a_source_that_answers_and_stands_still_is_caught_after_three_usual_hours",
        "conditions::what_the_source_does_not_vouch_for_yet_is_its_usual_lag",
        "conditions::a_night_without_spend_is_no_standstill",
        "conditions::what_does_not_deliver_by_right_is_no_standstill",
        "conditions::a_healthy_account_without_news_is_no_standstill",
        "conditions::a_new_day_has_its_budget_again",
        "conditions::an_account_of_which_anything_changed_lately_does_not_stand_still",
        "conditions::the_standstill_ends_with_the_first_new_hour",
    ],
    "Flapping: four turns": ["state::four_turns_within_an_hour_are_flapping"],
    "That is told once": [
        "notification::four_turns_in_an_hour_give_one_notice_and_then_nothing_until_an_hour_is_quiet",
        "notification::what_flaps_stays_in_the_digest",
        "state::flapping_ends_with_an_hour_without_a_turn",
    ],
    "A rule that cannot be judged": [
        "unjudged::its_owner_is_told_once_and_of_the_end_when_an_hour_went_well",
        "service/alerting::a_rule_that_cannot_be_judged_is_told_to_its_owner_and_everywhere_shown",
    ],
    "Where a whole pass": [
        "service/alerting::a_pass_that_fails_is_shown_until_one_succeeds_and_is_tried_again_by_itself",
        "service/alerting::a_pass_that_fails_waits_longer_each_time",
    ],
    "A restart goes on": [
        "notification::a_restart_goes_on_where_it_was",
        "notification::what_was_due_while_the_process_was_down_is_told_once",
    ],
    "Nothing resolves before": ["notification::nothing_resolves_after_a_restart_before_a_fresh_evaluation"],
}

NOTIFICATION = {
    "Silences mute": [
        "muting::a_silence_mutes_until_it_ends",
        "muting::a_silence_to_come_does_not_mute_yet",
        "muting::what_was_known_before_a_silence_is_no_news_after_it",
    ],
    "A snooze is": [
        "muting::a_snooze_mutes_the_present_members_only",
        "muting::a_snooze_needs_a_reason_and_ends_within_seven_days",
        "muting::a_snooze_may_last_seven_days_to_the_minute",
    ],
    "Inhibition:": [
        "muting::an_account_that_is_stale_mutes_its_campaigns_and_no_others",
        "muting::what_is_judged_by_something_else_is_heard_though_the_account_is_stale",
        "pages::a_page_is_told_of_though_the_data_of_the_account_that_pays_are_stale",
        "muting::critical_mutes_the_same_rules_warning_of_the_same_series",
    ],
    "All rules are evaluated": ["muting::all_rules_are_evaluated_before_anything_is_inhibited"],
    "An incident is": ["notification::each_owner_account_and_severity_is_an_incident_of_its_own"],
    "What is wrong with a website": [
        "pages::what_is_wrong_with_a_site_is_told_once_though_two_accounts_pay_for_it",
        "pages::two_sites_are_two_matters",
    ],
    "A new one waits": [
        "notification::a_new_incident_waits_30_seconds_for_company",
        "notification::a_new_incident_waits_for_company_since_its_data_were_asked_for",
        "notification::what_is_new_in_an_incident_is_told_at_the_next_look_five_minutes_apart",
    ],
    "What ended within": ["notification::what_ends_within_the_wait_is_told_to_nobody"],
    "Reasons, the first": ["notification::the_first_reason_that_holds_is_told"],
    "Repeats: critical": [
        "notification::a_repeat_comes_exactly_so_long_after_the_last_message",
        "notification::a_repeat_does_not_wait_for_the_next_look",
        "notification::info_is_told_once",
    ],
    "One that is due while": ["notification::a_repeat_waits_for_the_look_that_tells_what_is_new"],
    "A resolve is never": ["notification::a_resolve_is_never_repeated"],
    "A resolve reaches": [
        "muting::a_resolve_is_sent_though_it_is_muted_by_then_if_the_firing_was_heard",
        "muting::a_resolve_is_sent_through_a_silence_if_the_firing_was_heard",
        "muting::a_resolve_is_not_sent_if_the_firing_was_never_heard",
        "acknowledging::whoever_was_told_by_escalation_hears_the_end",
    ],
    "Acknowledging stops": [
        "acknowledging::acknowledging_stops_repeats_for_24_hours",
        "acknowledging::acknowledging_stops_the_escalation_and_a_new_member_starts_it_anew",
    ],
    "It ends with": [
        "acknowledging::a_new_member_breaks_the_acknowledgement",
        "acknowledging::a_rise_in_severity_is_heard_though_the_lower_degree_is_acknowledged",
        "acknowledging::a_rise_within_an_acknowledged_incident_breaks_it",
        "acknowledging::acknowledging_stops_repeats_for_24_hours",
    ],
    "News and the end": [
        "acknowledging::the_end_is_told_of_what_is_acknowledged",
        "acknowledging::a_new_member_breaks_the_acknowledgement",
    ],
    "Assigning tells": [
        "acting::whoever_is_given_it_hears_and_hears_the_end",
        "acting::somebody_is_told_in_slack_first_and_in_the_inbox_last",
    ],
    "It is no acknowledgement": ["acting::an_assignment_stops_no_repeat"],
    "Escalation of critical": [
        "acknowledging::what_nobody_acknowledges_goes_to_the_owner_the_second_the_manager",
        "acknowledging::warnings_are_not_escalated",
        "acknowledging::what_has_ended_is_not_escalated",
        "acknowledging::the_steps_of_the_escalation_are_configurable",
    ],
    "It begins anew": [
        "acknowledging::an_acknowledgement_that_ends_begins_the_way_up_anew",
        "acknowledging::a_snooze_stops_the_escalation",
        "acknowledging::what_is_muted_meanwhile_is_not_escalated",
    ],
    "Routes: critical": [
        "notification::critical_goes_to_slack_and_sms_warning_by_mail_info_into_the_inbox",
        "notification::a_rules_own_route_goes_before_its_severitys",
    ],
    "What can be reached nowhere": ["notification::where_a_channel_is_not_set_up_the_inbox_hears"],
}

DELIVERY = {
    "A message is written down": ["crash::nothing_is_lost_and_slack_has_it_once"],
    "Each channel has a thread": [
        "outbox::a_slow_channel_delays_no_other",
        "outbox::messages_of_an_incident_to_one_receiver_keep_their_order",
    ],
    "`pending` →": [
        "outbox::the_claim_is_committed_before_the_channel_is_called",
        "outbox::a_message_is_sent_once_and_keeps_its_providers_id",
    ],
    "After a crash": ["outbox::after_a_crash_the_channel_is_asked_before_it_is_sent_again"],
    "The channel is asked": [
        "outbox::after_a_crash_the_channel_is_asked_before_it_is_sent_again",
        "outbox::a_failure_that_may_have_gone_out_is_looked_up_too",
    ],
    "Slack and Twilio": [
        "slack::an_open_end_is_looked_up_and_never_sent_twice",
        "sms::an_open_end_is_looked_up_and_never_sent_twice",
        "email::two_copies_of_a_mail_are_the_same_mail",
    ],
    "A channel that is busy": ["outbox::the_wait_doubles_and_heeds_what_the_channel_says"],
    "After 8 tries": [
        "outbox::after_eight_tries_it_is_dead_and_another_channel_is_told",
        "outbox::after_24_hours_it_is_dead_though_the_tries_were_few",
        "outbox::what_is_pointless_is_dead_at_once_with_its_mend",
        "outbox::a_failing_channel_is_told_once_an_hour_however_many_letters_die",
        "outbox::a_dead_letter_can_be_sent_again_by_hand",
    ],
    "Once a local day": ["heartbeat::once_a_local_day_at_its_hour"],
    "Its absence is": ["heartbeat::a_digest_that_does_not_come_is_stood_in_for"],
    "Whoever gets a daily digest": [
        "heartbeat::whoever_gets_a_digest_needs_no_other_sign",
        "heartbeat::a_digest_that_does_not_come_is_stood_in_for",
        "heartbeat::who_asks_for_it_has_it_at_its_hour_beside_any_digest",
        "heartbeat::what_is_late_after_midnight_is_still_told",
    ],
    "A digest asks how": ["digest_words::a_digest_is_no_sign_of_life_of_alerts_that_do_not_work"],
}

CHANNELS = {
    "Slack has one message": ["slack::an_incident_is_one_message_and_what_follows_is_its_thread"],
    "Each message carries": [
        "slack::an_open_end_is_looked_up_and_never_sent_twice",
        "slack::a_reply_is_looked_up_in_its_thread",
        "slack::after_a_fall_the_thread_is_found_by_the_incident",
    ],
    "The SDK repeats nothing": [
        "slack::what_breaks_off_is_sent_once_by_the_sdk",
        "slack::a_short_rate_limit_is_waited_out_and_a_long_one_left_to_the_outbox",
    ],
    "One message a second": [
        "slack::one_message_a_second_a_channel",
        "slack::at_the_real_pace_slack_never_has_to_say_no",
    ],
    "No message is larger": [
        "slack_limits::any_message_is_within_slacks_limits",
        "slack_limits::the_header_counts_as_slack_does",
        "slack_limits::a_list_that_is_too_long_says_how_much_is_left_out",
    ],
    "A chart lies": [
        "slack::a_chart_lies_in_the_thread_once",
        "slack::a_chart_that_did_not_get_through_is_sent_when_the_message_is_found",
    ],
    "Buttons come back": [
        "slack::a_button_acts_once_and_says_so_under_the_message",
        "slack::what_is_submitted_twice_is_done_once",
        "slack::buttons_are_heard_again_after_slack_closes_the_connection",
        "sandbox/channels::an_envelope_that_nobody_acknowledges_comes_again",
    ],
    "Mail is text": ["email::a_mail_is_text_and_html_with_what_must_be_known"],
    "Its Message-ID": [
        "email::two_copies_of_a_mail_are_the_same_mail",
        "email::what_follows_answers_the_first_mail",
        "email::a_mail_is_text_and_html_with_what_must_be_known",
    ],
    "SMS is one": [
        "sms::every_text_is_one_part_and_ends_in_its_mark",
        "sms::a_text_is_found_by_its_mark_alone",
        "sms::a_text_is_found_among_many",
    ],
    "What the provider refuses": [
        "sms::a_number_that_cannot_hear_stops_and_says_why",
        "sms::an_open_end_is_looked_up_and_never_sent_twice",
    ],
    "Every call of": [
        "slack::a_call_that_hangs_counts_as_perhaps_sent",
        "email::a_call_that_hangs_counts_as_perhaps_sent",
        "sms::a_call_that_hangs_counts_as_perhaps_sent",
    ],
    "Anything else": [
        "apprise::an_address_hears_by_its_name",
        "apprise::channels_are_built_from_their_settings",
    ],
}

THRESHOLDS = {
    "The three thresholds": [
        "shipped::the_thresholds_as_they_are_worded_are_information",
        "conditions::a_plain_threshold_is_read_as_it_is_worded",
        "notification::info_is_told_once",
    ],
    "What calls people": [
        "shipped::spend_calls_people_by_two_windows_the_end_of_the_day_and_persistence",
        "conditions::pace_needs_both_windows_the_end_of_the_day_and_money",
        "conditions::pace_of_six_hours_and_one",
    ],
}

CLOCK = {
    "A job that comes late": ["service/scheduler::no_run_is_dropped_doubled_or_scheduled_twice"],
    "Polls run in UTC": ["service/scheduler::polls_are_never_further_apart_than_was_promised"],
    "Nothing of the schedule": ["service/scheduler::no_run_is_dropped_doubled_or_scheduled_twice"],
    "A fetch that hangs": [
        "service/poll::a_hang_costs_its_deadline_and_nobody_else",
        "service/scheduler::what_is_stuck_is_told",
    ],
    "A digest is written": [
        "digest_sending::each_receiver_hears_once_a_date_whatever_happens",
        "digest_sending::a_clock_change_makes_no_digest_twice_and_loses_none",
    ],
}

TABLE = {
    "State": STATE,
    "Notification": NOTIFICATION,
    "Delivery": DELIVERY,
    "Channels": CHANNELS,
    "Thresholds": THRESHOLDS,
    "Clock": CLOCK,
}


def sentences(section):
    """The sentences of a section, without its code and its marks of emphasis."""
    page = (ROOT / "docs" / "alerts.md").read_text()
    body = re.search(rf"^## {section}\n(.*?)(?=^##)", page, re.MULTILINE | re.DOTALL)[1]
    blocks = re.split(r"\n\n|\n(?=- )", re.sub(r"```.*?```\n", "", body, flags=re.DOTALL).strip())
    flat = [" ".join(block.split()).removeprefix("- ").replace("**", "") for block in blocks]
    return [one for block in flat for one in re.split(r"(?<=\.)\s+(?=[A-Z`])", block)]


def written(module):
    """The tests of a file and the rows of its tables: all that may be named. module: of this room, else ROOM/NAME."""
    room, _, name = module.rpartition("/")
    tree = ast.parse((ROOT / "tests" / (room or "alerts") / f"test_{name}.py").read_text())
    functions = {
        n.name.removeprefix("test_")
        for n in ast.walk(tree)
        if isinstance(n, ast.FunctionDef) and n.name.startswith("test_")
    }
    rows = {
        k.value
        for n in ast.walk(tree)
        if isinstance(n, ast.Dict)
        for k in n.keys
        if isinstance(k, ast.Constant)
    }
    return functions | rows


@pytest.mark.parametrize("section", TABLE)
def test_each_sentence_names_its_tests(section):
    told = sentences(section)
    assert len(told) == len(TABLE[section])
    for sentence, beginning in zip(told, TABLE[section], strict=True):
        assert sentence.startswith(beginning)


def test_each_test_that_is_named_is_there():
    named = {one for section in TABLE.values() for tests in section.values() for one in tests}
    known = {module: written(module) for module in {one.split("::")[0] for one in named}}
    assert [one for one in sorted(named) if one.split("::")[1] not in known[one.split("::")[0]]] == []
