import collections
import copy
import dataclasses
import datetime
import decimal
import enum
import functools
import json
import os
import pathlib
import re
import subprocess
import sys
import threading

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from hypothesis import given
from hypothesis import strategies as st
from lightgbm import LGBMClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score, make_scorer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from xgboost import XGBClassifier

from harness.identity import digest


@dataclasses.dataclass
class Point:
    x: object
    y: object = None


class Colour(enum.Enum):
    RED = 1
    BLUE = 2


class Slotted:
    __slots__ = ("a",)

    def __init__(self, a):
        self.a = a


class Knot:
    def __init__(self, value):
        self.value = value
        self.itself = self


def adder(n, *, m=0):
    return lambda x: x + n + m


def make(n):
    """One of everything, each of which differs for another n."""
    return {
        "int": n,
        "float": n / 3,
        "text": f"{n}",
        "bytes": b"%d" % n,
        "list": [n],
        "tuple": (n,),
        "dict": {"a": n},
        "set": {f"{i}" for i in range(n, n + 20)},
        "frozenset": frozenset(f"{i}" for i in range(n, n + 20)),
        "NumPy float": np.float64(n),
        "NumPy integer": np.int8(n),
        "array": np.arange(n, n + 6).reshape(2, 3),
        "objects": np.array([n, None, "a"], dtype=object),
        "texts": np.array([f"{n}", "a"]),
        "frame": pd.DataFrame({"a": [n, 2], "b": ["x", "y"], "c": pd.Categorical(["u", "v"])}),
        "series": pd.Series([n], index=["a"]),
        "timestamp": pd.Timestamp(n),
        "sparse": scipy.sparse.csr_matrix(np.eye(2) * n),
        "generator": np.random.default_rng(n),
        "random state": np.random.RandomState(n),
        "estimator": LogisticRegression(C=n),
        "pipeline": make_pipeline(StandardScaler(), LogisticRegression(C=n)),
        "xgboost": XGBClassifier(max_depth=n),
        "lightgbm": LGBMClassifier(num_leaves=n),
        "transformer": FunctionTransformer(adder(n)),
        "scorer": make_scorer(f1_score, pos_label=n),
        "class": [int, str, LogisticRegression, Point, Slotted][n % 5],
        "function": [f1_score, make_scorer, adder, len, np.mean][n % 5],
        "ufunc": [np.log1p, np.exp, np.sqrt, np.log, np.sin][n % 5],
        "method": LogisticRegression(C=n).fit,
        "partial": functools.partial(f1_score, pos_label=n),
        "closure": adder(n),
        "keyword default": adder(1, m=n),
        "dataclass": Point(n),
        "enum": list(Colour)[n % 2],
        "slots": Slotted(n),
        "knot": Knot(n),
        "pattern": re.compile(f"{n}"),
        "date": datetime.date(2020, 1, n),
        "path": pathlib.Path(f"{n}"),
        "decimal": decimal.Decimal(n),
        "ordered": collections.OrderedDict(a=n),
        "default": collections.defaultdict(list, a=[n]),
        "range": range(n),
        "module": [os, sys, np, pd, re][n % 5],
        "alias": [list[int], list[str], dict[str, int], tuple[int], set[int]][n % 5],
    }


@pytest.mark.parametrize("name", make(3))
def test_equal_values_have_one_digest_and_others_another(name):
    assert digest(make(3)[name]) == digest(make(3)[name])
    assert digest(make(3)[name]) not in (digest(make(4)[name]), None)
    assert re.fullmatch("[0-9a-f]{32}", digest(make(3)[name]))


def test_digests_are_the_same_in_every_process():
    program = (
        "import json, test_identity as t; print(json.dumps({k: t.digest(v) for k, v in t.make(3).items()}))"
    )
    here = {name: digest(value) for name, value in make(3).items()}
    environment = {**os.environ, "PYTHONHASHSEED": "7", "PYTHONPATH": os.path.dirname(__file__)}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True
    )
    there = json.loads(done.stdout)
    assert [name for name in here if here[name] != there[name]] == []


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(st.text(), inner),
)


@given(VALUES, VALUES)
def test_digests_are_equal_where_values_and_their_types_are(a, b):
    assert (digest(a) == digest(b)) == (repr(a) == repr(b))
    assert digest(copy.deepcopy(a)) == digest(a)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (1, 1.0),
        (1, True),
        ("1", 1),
        ([1], (1,)),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}),  # a pipeline's steps, say
        (np.float32(0.5), np.float64(0.5)),
        (np.zeros((2, 3)), np.zeros((3, 2))),
        ([[1], 2], [1, [2]]),
        ({1}, frozenset({1})),
        (lambda x: x + 1, lambda x: x + 2),
        (lambda x: x.a, lambda x: x.b),
        (lambda x, y=1: x, lambda x, y=2: x),
        (lambda x: [+i for i in x], lambda x: [-i for i in x]),
    ],
)
def test_values_that_work_otherwise_differ(a, b):
    assert digest(a) != digest(b)


def test_a_function_counts_by_its_code_and_not_by_its_line():
    first = lambda x: x * 2  # noqa: E731

    second = lambda x: x * 2  # noqa: E731
    assert digest(first) == digest(second)


def test_the_same_text_twice_is_two_equal_texts():
    one, other = "".join(["a", "b"]), "".join(["a", "b"])
    assert one is not other
    assert digest([one, one]) == digest([one, other])


class Rude:
    def __reduce__(self):
        raise RuntimeError("no")


class Endless:
    def __reduce__(self):
        return Endless, (Endless(),)


def made_here():
    class Local:
        pass

    return Local


@pytest.mark.parametrize(
    "value",
    [
        threading.Lock(),
        (x for x in ()),
        Rude(),
        Endless(),
        type("Made", (), {"depth": 3}),
        made_here(),
        made_here()(),
        eval("lambda x: x"),
        property(lambda self: 1),
        [1, {"a": threading.Lock()}],
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_means_something_in_this_process_only_has_no_digest(value):
    assert digest(value) is None


def test_an_open_file_has_no_digest(tmp_path):
    with tmp_path.joinpath("a").open("w") as file:
        assert digest(file) is None


def test_a_function_of_a_library_counts_by_its_name_whatever_it_holds(tmp_path, monkeypatch):
    site = tmp_path / "site-packages"
    site.mkdir()
    site.joinpath("toy_locked.py").write_text(
        "import functools, threading\n"
        "def guarded(function, lock):\n    return functools.wraps(function)(lambda *a: (lock, function))\n"
        "@functools.partial(guarded, lock=threading.Lock())\ndef work(x): ...\n"
    )
    monkeypatch.syspath_prepend(site)
    monkeypatch.setitem(sys.modules, "toy_locked", None)  # so that it is gone after the test
    del sys.modules["toy_locked"]
    import toy_locked

    monkeypatch.delitem(sys.modules, "toy_locked", raising=False)
    assert digest(toy_locked.work) is None  # is that the library's own, or one that took its name?
    monkeypatch.setitem(sys.modules, "toy_locked", toy_locked)
    assert digest(toy_locked.work) is not None


class Counted:
    reads = 0

    def __reduce__(self):
        Counted.reads += 1
        return Counted, ()


def test_what_is_held_many_times_is_read_once():
    Counted.reads = 0
    value = [Counted()]
    for _ in range(10):
        value = [value, value]
    assert digest(value) is not None
    assert Counted.reads == 1


def test_a_value_that_holds_itself_has_a_digest():
    def knot(value):
        made = [value]
        made.append(made)
        return made

    assert digest(knot(1)) == digest(knot(1)) != digest(knot(2))
