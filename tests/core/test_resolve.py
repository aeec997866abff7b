from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal

import pytest

from fedqml.core.errors import InputError, require
from fedqml.core.resolve import Plugin, call, catalogue, find, settings
from fedqml.models import dense_vqc


def factory(
    n: int,
    rate: float = 0.5,
    name: str = "a",
    kind: Literal["ring", "chain"] = "ring",
    classes: list[int] | None = None,
    flag: bool = False,
    path: Path = Path("x"),
):
    require(n > 0, "n", n, "be positive")
    return path


def word_or_path(weights: Literal["auto", "download"] | Path = "auto", other: Path | None = None):
    return weights, other


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, ("auto", None)),
        ({"weights": "download"}, ("download", None)),
        ({"weights": "a.pth", "other": "b"}, (Path("/b/a.pth"), Path("/b/b"))),
        ({"weights": "/c/auto"}, (Path("/c/auto"), None)),
        ({"weights": "./auto"}, (Path("/b/auto"), None)),
    ],
)
def test_paths_beside_words_start_from_the_base(given, expected):
    whole = settings(word_or_path, given, "here")
    assert call(word_or_path, whole, "here", Path("/b")) == expected


def test_a_word_or_path_is_described():
    with pytest.raises(InputError, match=r"must be one of 'auto', 'download' or a path, but .* 3"):
        settings(word_or_path, {"weights": 3}, "here")


def test_settings_come_back_whole_with_defaults():
    whole = settings(factory, {"n": 3, "rate": 1}, "here")
    assert whole == {
        "n": 3,
        "rate": 1.0,
        "name": "a",
        "kind": "ring",
        "classes": None,
        "flag": False,
        "path": "x",
    }
    assert isinstance(whole["rate"], float)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"n": 1, "raet": 2.0}, "here.raet: unknown key. Did you mean `rate`?"),
        ({"n": 1, "zzzz": 2.0}, "here.zzzz: unknown key. Allowed: n, rate"),
        ({}, "here.n is missing; it must be a whole number"),
        ({"n": 1.0}, "here.n must be a whole number, but it is 1.0"),
        ({"n": True}, "here.n must be a whole number, but it is True"),
        ({"n": 1, "rate": "fast"}, "here.rate must be a finite number, but it is 'fast'"),
        ({"n": 1, "rate": float("nan")}, "here.rate must be a finite number, but it is nan"),
        ({"n": 1, "name": 1}, "here.name must be a text"),
        ({"n": 1, "kind": "star"}, "here.kind must be one of 'ring', 'chain', but it is 'star'"),
        ({"n": 1, "classes": [1, "2"]}, "here.classes must be a list, each entry a whole number"),
        ({"n": 1, "flag": 1}, "here.flag must be true or false, but it is 1"),
        ({"n": 1, "path": 1}, "here.path must be a path"),
    ],
)
def test_what_does_not_fit_the_signature_is_refused(given, message):
    with pytest.raises(InputError) as error:
        settings(factory, given, "here")
    assert message in str(error.value)


def test_relative_paths_start_from_the_base():
    assert call(factory, {"n": 1, "path": "d/a.csv"}, "here", Path("/b")) == Path("/b/d/a.csv")
    assert call(factory, {"n": 1, "path": "/d/a.csv"}, "here", Path("/b")) == Path("/d/a.csv")


def test_a_factory_s_own_refusal_says_where_it_stands():
    with pytest.raises(InputError, match=r"here: Argument `n` must be positive, but n=0\."):
        call(factory, {"n": 0}, "here")


def test_the_catalogue_holds_plugins_and_not_their_helpers():
    known = ["flower", "in_place", "sequential", "vectorised"]
    assert sorted(catalogue(["fedqml.engines"])) == known


def test_own_functions_are_found_by_module_and_name():
    assert find("os.path:join", [], "model")("a", "b") == "a/b"


@pytest.mark.parametrize(
    ("use", "message"),
    [
        ("no_such_module_x:f", "cannot be imported"),
        ("os.path:no_such_function", "cannot be imported"),
        ("os:sep", "is no function"),
        (":f", "cannot be imported"),
        (3, "must be a name, but it is 3"),
    ],
)
def test_own_functions_that_cannot_be_used_are_refused(use, message):
    with pytest.raises(InputError, match=message):
        find(use, ["fedqml.engines"], "engine")


def test_numbers_are_normal_wherever_they_stand():
    def own(a: float | None = None, b: list[float] | None = None, c: list[float] = []):  # noqa: B006
        return a, b, c

    def ids(**given):
        return repr(settings(own, given, "here"))

    assert ids(a=1) == ids(a=1.0)
    assert ids(c=[1, 2]) == ids(c=[1.0, 2.0])
    assert ids(b=None) == ids()


@pytest.mark.parametrize(
    ("use", "given", "message"),
    [
        ("own_rules:untyped", {}, "here.a is missing; it must be a number, a text"),
        ("own_rules:untyped", {"a": float("nan")}, "here.a must be a number, a text"),
        ("own_rules:odd_default", {}, "its default, <object"),
        ("own_rules:collecting", {"x": 1}, "here.x: unknown key. Allowed: no settings"),
        ("own_rules:mapped", {"a": [1]}, "here.a must be a table"),
        ("builtins:min", {}, "does not tell its parameters"),
        ("own_raises:f", {}, "cannot be imported (ZeroDivisionError"),
        ("own_syntax:f", {}, "cannot be imported (SyntaxError"),
        ("own_exits:f", {}, "cannot be imported (SystemExit"),
        ("..x:f", {}, "cannot be imported (TypeError"),
    ],
)
def test_odd_functions_of_a_user_s_own_are_sentences(tmp_path, monkeypatch, use, given, message):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "own_rules.py").write_text(
        "def untyped(a): ...\n"
        "def odd_default(a=object()): ...\n"
        "def collecting(*args, **kwargs): ...\n"
        "def mapped(a: dict[str, int], b: tuple[int, ...] = ()): ...\n"
        "def later(a: 'NotThere' = 1): ...\n"
    )
    (tmp_path / "own_raises.py").write_text("1 / 0\n")
    (tmp_path / "own_syntax.py").write_text("def\n")
    (tmp_path / "own_exits.py").write_text("raise SystemExit(7)\n")
    with pytest.raises(InputError) as error:
        settings(find(use, [], "here"), given, "here")
    assert message in str(error.value)
    later = find("own_rules:later", [], "here")
    assert settings(later, {"a": 2}, "here") == {"a": 2}
    assert call(later, {"a": 2}, "here") is None


def inner(size: int, kind: str = "a"):
    require(size > 0, "size", size, "be positive")
    return size, kind


def outer(
    part: Annotated[Callable[..., object], Plugin("fedqml.engines", ("size",))] = inner,
    whole: Annotated[object, Plugin("fedqml.engines")] | None = None,
):
    return part(size=3), whole


OWN = "tests.core.test_resolve:inner"


def test_a_setting_can_be_a_table_that_names_a_factory():
    given = {"part": {"use": OWN, "kind": "b"}, "whole": {"use": OWN, "size": 1}}
    checked = settings(outer, given, "here")
    assert checked == {
        "part": {"use": OWN, "kind": "b"},
        "whole": {"use": OWN, "size": 1, "kind": "a"},
    }
    assert call(outer, checked, "here") == ((3, "b"), (1, "a"))


def test_of_a_nested_table_defaults_are_filled_in_at_every_depth():
    assert settings(dense_vqc, {}, "model", ("shape", "classes"))["ansatz"] == {
        "use": "rot_cnot",
        "depth": 2,
        "entangler": "ring",
    }
    changed = settings(dense_vqc, {"ansatz": {"depth": 3}}, "model", ("shape", "classes"))
    assert changed["ansatz"] == {"use": "rot_cnot", "depth": 3, "entangler": "ring"}


def around(
    rule: Annotated[object, Plugin("fedqml.engines", from_run=("metric",))] | None = None,
    metric: int = 0,
):
    return rule, metric


def within(metric: int, scale: float = 1.0):
    return metric, scale


def test_nested_factories_get_what_comes_from_the_run_and_nothing_else_is_worked_out():
    table = {"rule": {"use": f"{__name__}:around", "rule": {"use": f"{__name__}:within"}}}
    checked = settings(around, table, "here", ("metric",))
    assert checked["rule"]["rule"] == {"use": f"{__name__}:within", "scale": 1.0}
    supplied = {"metric": lambda: 7, "never": lambda: 1 / 0}
    assert call(around, checked, "here", supplied=supplied) == (((7, 1.0), 7), 7)
    with pytest.raises(InputError, match=r"here\.rule\.metric: unknown key"):
        settings(around, {"rule": {"use": f"{__name__}:within", "metric": 1}}, "here")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"part": 3}, 'here.part must be a table like { use = "..." }, but it is 3'),
        ({"part": {"use": OWN, "knid": "b"}}, "here.part.knid: unknown key. Did you mean `kind`?"),
        ({"part": {"use": OWN, "size": 1}}, "here.part.size: unknown key."),
        ({"whole": {"size": 1}}, "here.whole.use is missing"),
        ({"whole": {"use": OWN}}, "here.whole.size is missing"),
    ],
)
def test_a_nested_table_that_does_not_fit_is_refused_with_its_place(given, message):
    with pytest.raises(InputError) as error:
        settings(outer, given, "here")
    assert message in str(error.value)


def test_what_a_nested_factory_refuses_says_where_it_stands():
    checked = settings(outer, {"whole": {"use": OWN, "size": 0}}, "here")
    with pytest.raises(InputError, match=r"here\.whole: Argument `size` must be positive"):
        call(outer, checked, "here")
