"""A gate and what it has compared in; what the policy `proven` has against it, out."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from harness.errors import DeclarationError
from harness.results import ComparisonRecord
from harness.settings import POLICIES
from harness.verdicts import missing_text, whole_text

__tracebackhide__ = True

MARK = "gate_policy"


def policy_of(gate: pytest.Item) -> str | None:
    """Return the policy that the nearest mark `gate_policy` gives a gate; None without a mark.

    Raise DeclarationError for a mark that names none.
    """
    mark = gate.get_closest_marker(MARK)
    if mark is None:
        return None
    if len(mark.args) != 1 or mark.args[0] not in POLICIES or mark.kwargs:
        given = ", ".join(
            [*map(repr, mark.args), *(f"{name}={value!r}" for name, value in mark.kwargs.items())]
        )
        raise DeclarationError(
            f"{gate.nodeid}: @pytest.mark.{MARK}({given}) names no policy",
            " or ".join(f'write @pytest.mark.{MARK}("{policy}")' for policy in POLICIES),
        )
    return str(mark.args[0])


def objection(comparisons: Sequence[ComparisonRecord]) -> str | None:
    """Return why a gate whose asserts have held does not pass under the policy `proven`; None if it does.

    comparisons: as it has relied on them, see `verdicts.asserted`.
    """
    if not comparisons:
        return (
            "it compared no score, so it proves nothing (gate_policy = proven); compare a score itself, "
            f'as in assert experiment_x.best.test.accuracy >= 0.8, or write @pytest.mark.{MARK}("point")'
        )
    open_ = [one for one in comparisons if one.verdict != "PROVEN"]
    if not open_:
        return None
    lines = ["its asserts held, but not all of that is proven (gate_policy = proven)"]
    for one in open_:
        lines.append(f"  {one.score}")
        lines.append(f"    {whole_text(one)}")
        lines += [f"    {text}" for text in [missing_text(one) or one.note] if text]
    lines.append(
        f'take more test rows, lower the threshold, or judge by the value: @pytest.mark.{MARK}("point")'
    )
    return "\n".join(lines)
