"""Rule 5: the same names give the same numbers, in every process."""

import random
import subprocess
import sys

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from harness.seeds import seed


def draw():
    return random.random(), np.random.random(), np.random.randint(2**31)


@given(st.integers(0), st.lists(st.text() | st.integers() | st.floats() | st.none()))
def test_equal_names_give_equal_numbers_whatever_was_drawn_before(base, names):
    seed(base, *names)
    first = draw()
    draw()
    seed(base, *names)

    assert draw() == first


def test_any_other_name_gives_other_numbers():
    numbers = set()
    calls = [
        (0,),
        (1,),
        (0, "a"),
        (0, "b"),
        (0, "a", "b"),
        (0, "ab"),
        (0, "b", "a"),
        (0, 1),
        (0, 1.0),
        (0, ("a",)),
    ]
    for base, *names in calls:
        seed(base, *names)
        numbers.add(draw())

    assert len(numbers) == len(calls)


def test_both_generators_are_seeded():
    seed(0, "a")
    first = draw()
    random.seed(1)
    np.random.seed(1)
    second = draw()

    assert all(a != b for a, b in zip(first, second, strict=True))


def test_the_numbers_are_the_same_in_another_process():
    code = (
        "import random, numpy as np; from harness.seeds import seed;"
        "seed(7, 'experiment_x', [('depth', 3), ('loss', 'mse')]);"
        "print(repr((random.random(), float(np.random.random()))))"
    )
    seed(7, "experiment_x", [("depth", 3), ("loss", "mse")])
    here = repr((random.random(), float(np.random.random())))

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == here


def test_an_object_without_a_repr_of_its_own_seeds_alike_wherever_it_lies_in_memory():
    class Loss:
        pass

    numbers = set()
    for value in [Loss() for _ in range(5)]:
        seed(0, "experiment_x", [("loss", value)])
        numbers.add(draw())

    assert len(numbers) == 1
