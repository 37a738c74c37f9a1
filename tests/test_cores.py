"""As many cores as this process may use."""

from __future__ import annotations

import os

import pytest

from harness.cores import cores


@pytest.fixture
def machine(monkeypatch):
    """A machine of eight cores."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)), raising=False)


@pytest.mark.parametrize(
    ("quota", "count"),
    [
        ("max 100000\n", 8),
        ("200000 100000\n", 2),
        ("150000 100000\n", 2),  # one and a half: the second does half as much
        ("50000 100000\n", 1),
        ("1 100000\n", 1),
        ("9000000 100000\n", 8),
        ("", 8),
        ("nonsense\n", 8),
        ("200000 0\n", 8),
    ],
)
def test_a_quota_of_the_container_counts(machine, tmp_path, quota, count):
    (tmp_path / "cpu.max").write_text(quota)

    assert cores(tmp_path / "cpu.max") == count


def test_without_a_quota_the_affinity_counts(machine, tmp_path):
    assert cores(tmp_path / "missing") == 8


def test_where_the_system_knows_no_affinity_all_cores_count(monkeypatch, tmp_path):
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 3)
    assert cores(tmp_path / "missing") == 3

    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert cores(tmp_path / "missing") == 1
