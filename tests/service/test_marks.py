"""A YAML file with its places: aliases are followed, and never into billions of values or without end."""

import pytest

from service.marks import read

BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 10)
)
MERGED = "a0: &a0 {x: 1}\n" + "".join(f"a{n}: &a{n}\n  <<: [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 40))
CHAIN = "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}]\n" for n in range(1, 150))


def test_an_alias_and_a_merge_key_are_followed_with_their_places(tmp_path):
    path = tmp_path / "rules.yaml"
    path.write_text("one: &pace {kind: pace, over: 1}\ntwo:\n  <<: *pace\n  over: 2\nthree: *pace\n")
    marked = read(path)
    assert marked.problems == ()
    assert marked.data == {
        "one": {"kind": "pace", "over": 1},
        "two": {"kind": "pace", "over": 2},
        "three": {"kind": "pace", "over": 1},
    }
    assert marked.values["two", "over"] == (4, 9)
    assert marked.values["three", "kind"] == (1, 19)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        # a0 has 11 values, a1 1 + 10 * 11 = 111, a2 1,111, a3 11,111. Repeated are 110 + 1,110 + 11,110 = 12,330
        # before a4, and its first alias repeats 11,111 more.
        (BOMB, "rules.yaml:5:5: has aliases for more than 20,000 values: write out what is meant"),
        # a0 has 3 values, a(n) 6 * 2^n - 3; repeated up to a(n) are 12 (2^n - 1) - 6 n: 12,216 and 24,498 of 10 and 11.
        (MERGED, "rules.yaml:23:7: has aliases for more than 20,000 values"),
        ("rules: &a [*a]\n", "rules.yaml:1:8: contains itself by an alias"),
        ("rules: &a\n  x: {<<: *a}\n", "rules.yaml:2:6: contains itself by an alias"),
        (CHAIN, "is nested more than 100 levels deep"),
        ("[" * 5_000, "is nested more than 100 levels deep"),
        ("rules: 2026-13-01\n", "is not YAML: month must be in 1..12"),
    ],
)  # fmt: skip
def test_a_document_without_bounds_is_refused_before_it_is_made(tmp_path, text, told):
    path = tmp_path / "rules.yaml"
    path.write_text(text)
    (problem,) = read(path).problems
    assert told in str(problem)
