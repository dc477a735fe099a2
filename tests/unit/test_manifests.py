"""What a folder of manifest files amounts to."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lvs_agent.source.documents import parse_file
from lvs_agent.source.manifestset import ManifestSet

RS = """\
apiVersion: lvs-operator.io/v1alpha1
kind: RealServer
metadata: {{name: {name}, namespace: shop, labels: {{app: web}}}}
spec: {{address: {address}, weight: {weight}}}
"""


def rs(name: str, address: str = "198.51.100.21", weight: object = 1) -> str:
    return RS.format(name=name, address=address, weight=weight)


def joined(*documents: str) -> bytes:
    return "---\n".join(documents).encode()


def names(put):
    return sorted(one.object.metadata.name for one in put)


def removed(change):
    return sorted(key.name for _, key in change.removed)


def test_every_document_of_a_file_is_an_object():
    change = ManifestSet().update({"a.yaml": joined(rs("one"), rs("two"))})

    assert names(change.put) == ["one", "two"]


def test_json_and_lists_are_read_as_well():
    content = (
        b'{"kind": "List", "items": [{"apiVersion": "lvs-operator.io/v1alpha1", "kind": "RealServer",'
        b' "metadata": {"name": "one"}, "spec": {"address": "198.51.100.21"}}]}'
    )

    change = ManifestSet().update({"a.json": content})

    assert names(change.put) == ["one"]


@pytest.mark.parametrize(
    ("content", "document", "line", "words"),
    [
        pytest.param(joined(rs("one"), "kind: [broken\n", rs("two")), 2, 6, "can't be read", id="broken YAML"),
        pytest.param(
            joined(rs("one"), rs("two"), rs("three", weight=65536)),
            3,
            10,
            "spec.weight",
            id="a weight beyond its bound",
        ),
        pytest.param(joined(rs("one"), rs("two"), rs("three", weight=-1)), 3, 10, "spec.weight", id="a weight below 0"),
    ],
)
def test_a_bad_document_is_named_by_file_document_and_line_and_hides_no_other(content, document, line, words):
    parsed = parse_file("a.yaml", content)

    assert sorted(one.object.metadata.name for one in parsed.documents) == ["one", "two"]
    [problem] = parsed.problems
    assert (problem.file, problem.document) == ("a.yaml", document)
    assert problem.line >= line
    assert words in str(problem)


def test_a_document_that_turns_bad_leaves_its_last_good_state():
    manifests = ManifestSet()
    manifests.update({"a.yaml": joined(rs("one"), rs("two"))})

    change = manifests.update({"a.yaml": joined(rs("one"), rs("two", weight=-1))})

    assert (change.put, change.removed) == ((), ())
    assert "spec.weight" in str(manifests.problems[0])


@pytest.mark.parametrize("cut", range(1, len(joined(rs("one"), rs("two"))), 7))
def test_a_file_cut_off_anywhere_removes_nothing_that_it_can_not_be_sure_of(cut):
    whole = joined(rs("one"), rs("two"))
    manifests = ManifestSet()
    manifests.update({"a.yaml": whole})

    change = manifests.update({"a.yaml": whole[:cut]})

    at_a_document_boundary = whole[:cut].strip() in {rs("one").encode().strip(), (rs("one") + "---").encode()}
    assert at_a_document_boundary or "one" not in removed(change)


def test_an_emptied_file_keeps_its_objects_until_it_is_deleted():
    manifests = ManifestSet()
    manifests.update({"a.yaml": joined(rs("one"))})

    emptied = manifests.update({"a.yaml": b""})
    deleted = manifests.update({"a.yaml": None})

    assert emptied.removed == ()
    assert removed(deleted) == ["one"]


def test_an_object_in_two_files_is_that_of_the_first_and_both_are_named():
    manifests = ManifestSet()
    manifests.update({"a.yaml": joined(rs("one", weight=1))})

    change = manifests.update({"b.yaml": joined(rs("one", weight=9))})

    assert change.put == ()
    [problem] = manifests.problems
    assert "a.yaml" in str(problem)
    assert "b.yaml" in str(problem)


def test_when_the_first_of_two_files_goes_the_other_counts():
    manifests = ManifestSet()
    manifests.update({"a.yaml": joined(rs("one", weight=1)), "b.yaml": joined(rs("one", weight=9))})

    change = manifests.update({"a.yaml": None})

    assert [one.object.spec.weight for one in change.put] == [9]


def test_after_a_restart_a_broken_file_still_has_its_last_good_objects():
    before = ManifestSet()
    saved = before.update({"a.yaml": joined(rs("one"))}).put

    change = ManifestSet(saved).update({"a.yaml": b"kind: [broken"})

    assert (change.put, change.removed) == ((), ())


def test_after_a_restart_the_objects_of_a_file_that_is_gone_are_removed():
    saved = ManifestSet().update({"a.yaml": joined(rs("one"))}).put

    assert removed(ManifestSet(saved).update({"a.yaml": None})) == ["one"]


BLOCK = """\
# the real servers of the shop
---
apiVersion: lvs-operator.io/v1alpha1
kind: RealServer
metadata:
  name: one
  namespace: shop
spec:
  address: 198.51.100.21
  weight: 10
---
apiVersion: lvs-operator.io/v1alpha1
kind: RealServer
metadata:
  name: two
  namespace: shop
spec:
  address: 198.51.100.22
  weight: 20
"""


@given(st.integers(0, len(BLOCK) - 2))
def test_a_file_cut_off_anywhere_is_doubtful_or_removes_nothing(cut):
    manifests = ManifestSet()
    manifests.update({"a.yaml": BLOCK.encode()})
    files = {"a.yaml": BLOCK[:cut].encode()}

    assert manifests.doubtful(files) or manifests.update(files).removed == ()


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        pytest.param(joined(rs("one"), rs("two"), rs("three")), (), id="an object more"),
        pytest.param(joined(rs("one", weight=2), rs("two")), (), id="a change"),
        pytest.param(joined(rs("one"), rs("two", weight=-1)), (), id="an object that is wrong: nothing is lost"),
        pytest.param(joined(rs("one"), "kind: [broken\n"), (), id="a document that is broken: nothing is lost"),
        pytest.param(b"", ("a.yaml",), id="emptied, as at the start of writing"),
        pytest.param(joined(rs("one")), ("a.yaml",), id="an object less"),
        pytest.param(joined(rs("one"), rs("two"))[:-1], ("a.yaml",), id="a last line without its end"),
        pytest.param(None, ("a.yaml",), id="a file that is gone"),
    ],
)
def test_a_file_is_doubtful_if_taking_it_in_could_lose_something(content, expected):
    manifests = ManifestSet()
    manifests.update({"a.yaml": joined(rs("one"), rs("two"))})

    assert manifests.doubtful({"a.yaml": content}) == expected


def test_a_file_that_was_looked_at_already_is_not_doubtful():
    manifests = ManifestSet()
    unended = joined(rs("one"))[:-1]
    manifests.update({"a.yaml": unended})

    assert manifests.doubtful({"a.yaml": unended}) == ()


def test_nothing_of_a_file_is_removed_while_another_of_its_documents_is_wrong():
    manifests = ManifestSet()
    manifests.update({"a.yaml": joined(rs("one"), rs("two"))})

    wrong = manifests.update({"a.yaml": joined(rs("two", weight=-1))})
    right = manifests.update({"a.yaml": joined(rs("two"))})

    assert (wrong.removed, removed(right)) == ((), ["one"])


def test_an_object_twice_in_a_file_is_that_of_the_first_document_and_both_are_named():
    parsed = parse_file("a.yaml", joined(rs("one", weight=1), rs("one", weight=2)))

    assert [document.object.spec.weight for document in parsed.documents] == [1]
    [problem] = parsed.problems
    assert str(problem).startswith(
        "a.yaml, document 2 (line 6): RealServer shop/one: is in document 1 (line 1) already"
    )


def test_an_object_that_moves_to_another_file_is_last_known_from_there():
    manifests = ManifestSet()
    manifests.update({"a.yaml": joined(rs("one"))})

    change = manifests.update({"a.yaml": None, "b.yaml": joined(rs("one"))})

    assert [one.file for one in change.put] == ["b.yaml"]
    assert change.removed == ()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        pytest.param("spec: {weight: 1, weight: 2}", "weight is given twice", id="a field given twice"),
        pytest.param("metadata: {creationTimestamp: 2026-13-45}", "month", id="a day that is none"),
        pytest.param("\tspec: 1", "can't be read", id="a tab"),
        pytest.param("a: b: c", "can't be read", id="two colons"),
        pytest.param("spec: *unknown", "undefined alias", id="an unknown alias"),
        pytest.param("spec: !!python/object:os.system {}", "can't be read", id="a tag that would run something"),
        pytest.param("just text", "must be an object", id="text"),
        pytest.param("- a\n- b", "must be an object", id="a list"),
        pytest.param(
            "kind: Service\napiVersion: v1\nmetadata: {name: web}", "apiVersion", id="a kind that is not ours"
        ),
    ],
)
def test_whatever_a_document_holds_the_others_count(text, words):
    parsed = parse_file("a.yaml", joined(rs("one"), text + "\n", rs("two")))

    assert [document.object.metadata.name for document in parsed.documents] == ["one", "two"]
    [problem] = parsed.problems
    assert problem.document == 2
    assert words in str(problem)


def test_bytes_that_are_no_text_are_a_problem_of_their_document():
    parsed = parse_file("a.yaml", joined(rs("one"), rs("two")) + b"---\nkind: \xff\xfe\n")

    assert [document.object.metadata.name for document in parsed.documents] == ["one", "two"]
    assert [problem.document for problem in parsed.problems] == [3]


def test_comments_and_blank_documents_are_not_counted():
    content = b"# all of them\n---\n\n---\n# the first\n" + joined(rs("one"), rs("two", weight=-1))

    parsed = parse_file("a.yaml", content)

    assert [(one.number, one.line) for one in parsed.documents] == [(1, 6)]
    assert [(one.document, one.line) for one in parsed.problems] == [(2, 11)]


def test_a_file_of_comments_only_has_no_objects():
    manifests = ManifestSet()
    manifests.update({"a.yaml": joined(rs("one"))})

    assert removed(manifests.update({"a.yaml": b"# nothing any longer\n"})) == ["one"]


FILES = st.dictionaries(
    st.sampled_from(["a.yaml", "b.yaml"]),
    st.one_of(st.none(), st.lists(st.sampled_from(["one", "two", "three"]), min_size=1, max_size=3, unique=True)),
)


@given(st.lists(FILES, max_size=8))
def test_after_any_changes_of_good_files_the_objects_are_those_in_the_files(steps):
    manifests, contents, known = ManifestSet(), {}, set()
    for step in steps:
        change = manifests.update(
            {name: None if objects is None else joined(*map(rs, objects)) for name, objects in step.items()}
        )
        contents.update(step)
        known |= set(names(change.put))
        known -= set(removed(change))

    assert known == {name for objects in contents.values() for name in objects or ()}


@pytest.mark.parametrize(
    "example", sorted((Path(__file__).parents[2] / "examples").glob("*.yaml")), ids=lambda one: one.name
)
def test_every_example_is_good(example):
    parsed = parse_file(example.name, example.read_bytes())

    assert parsed.documents
    assert parsed.problems == ()
