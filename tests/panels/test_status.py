import pytest

from panels._status import Status, by_target, worst


@pytest.mark.parametrize(
    ("value", "target", "better", "status"),
    [
        (15.0, 15.0, "lower", Status.good),
        (12.0, 15.0, "lower", Status.good),
        (18.0, 15.0, "lower", Status.watch),
        (18.8, 15.0, "lower", Status.act),
        (4.0, 3.0, "higher", Status.good),
        (2.4, 3.0, "higher", Status.watch),
        (2.2, 3.0, "higher", Status.act),
        (1.1, 1.0, "neutral", Status.good),
        (0.8, 1.0, "neutral", Status.watch),
        (0.7, 1.0, "neutral", Status.act),
        (None, 1.0, "lower", Status.none),
        (1.0, None, "lower", Status.none),
    ],
)
def test_against_target(value, target, better, status):
    assert by_target(value, target, better=better) is status


def test_a_group_is_as_its_worst_member():
    assert worst([Status.good, Status.act, Status.none]) is Status.act
    assert worst([]) is Status.none


def test_states_are_told_without_colour():
    assert len({s.value.mark for s in Status}) == len({s.value.word for s in Status}) == len(Status)
