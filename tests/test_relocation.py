"""What a worker is told means the same for a project elsewhere, and tells nothing of this machine."""

from __future__ import annotations

import os

from harness.backends.sagemaker.relocation import arrived, departed
from harness.pool.messages import Opening

HERE = Opening(
    arguments=["./experiments/experiment_a.py", "--rootdir=/home/me/shop", "--confcutdir=/home/me/shop/sub"],
    folder="/home/me/shop/sub",
    environment={"AWS_SECRET_ACCESS_KEY": "hush"},
    path=["/home/me/shop", "/home/me/shop/src", "/home/me/shopping", "/usr/lib/python"],
    command=["pytest"],
    options={"colour": "red"},
    pickled={},
    run="{scratch}/run",
    threads=1,
)


def test_paths_below_the_project_become_paths_below_its_new_folder():
    there = arrived(departed(HERE, "/home/me/shop"), project="/opt/p", scratch="/opt/s", path=["/usr/lib"])

    assert there.arguments == ["./experiments/experiment_a.py", "--rootdir=/opt/p", "--confcutdir=/opt/p/sub"]
    assert there.folder == "/opt/p/sub"
    assert there.path == ["/opt/p", "/opt/p/src", "/usr/lib"]
    assert there.run == "/opt/s/run"
    assert there.environment == dict(os.environ)
    assert there.options == {"colour": "red"}


def test_nothing_of_this_machine_travels():
    gone = departed(HERE, "/home/me/shop")

    assert "/home/me" not in str(gone)
    assert "hush" not in str(gone)
