import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.meta_errors import GraphError
from sandbox.meta_fields import Field, parse

NAMES = st.from_regex(r"[a-z][a-z_]{0,8}", fullmatch=True)
ARGS = st.dictionaries(
    NAMES.filter(lambda name: name != "as"),
    st.sampled_from(["2", '["A","B)"]', "{since:'x'}", "(1,2)"]),
    max_size=2,
)


def fields(inner):
    return st.lists(inner, min_size=1, max_size=3, unique_by=lambda field: field.key).map(tuple)


FIELDS = fields(
    st.recursive(
        st.builds(Field, NAMES, ARGS, st.none()),
        lambda inner: st.builds(Field, NAMES, ARGS, fields(inner)),
        max_leaves=6,
    )
)


@given(FIELDS)
def test_what_is_written_is_read_again(asked):
    assert parse(",".join(map(str, asked))) == asked


@pytest.mark.parametrize("text", ["['id', 'name']", '["id","name"]', "id, name", "id,name,id"])
def test_lists_come_in_many_forms(text):
    assert [field.name for field in parse(text)] == ["id", "name"]


def test_an_expansion_with_everything():
    (field,) = parse('adsets.limit(2).filtering([{"field":"name","value":"a,b)"}]).as(two){id,name{x}}')
    assert (field.name, field.key) == ("adsets", "two")
    assert field.args == {"limit": "2", "filtering": '[{"field":"name","value":"a,b)"}]', "as": "two"}
    assert field.inner == (Field("id"), Field("name", {}, (Field("x"),)))


@pytest.mark.parametrize("text", ["id{", "id}", "a.b", "a.limit(1", "a{b)}", "a b", "{id}"])
def test_what_cannot_be_read_is_a_syntax_error(text):
    with pytest.raises(GraphError) as caught:
        parse(text)
    assert caught.value.code == 2500
