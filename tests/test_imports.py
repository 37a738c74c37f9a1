import importlib.metadata
import sys

import pytest

from harness.imports import Found, Import, Imports, installed, packages


@pytest.fixture
def root(tmp_path, monkeypatch):
    """A project on sys.path, and an installed folder beside it."""
    files = {
        "project/toy_helpers.py": "",
        "project/toy_package/__init__.py": "",
        "project/toy_package/one.py": "",
        "project/toy_package/deep/__init__.py": "",
        "project/toy_package/deep/two.py": "",
        "project/toy_space/three.py": "",
        "project/toy_space/inner/four.py": "",
        "project/toy_space/fast.cpython-311-x86_64-linux-gnu.so": "",
        "project/experiments/beside.py": "",
        "lib/site-packages/toylib/__init__.py": "",
        "lib/site-packages/toy_single.py": "",
        "lib/site-packages/toygoogle/cloud/__init__.py": "",
        "lib/site-packages/toygoogle/maps/__init__.py": "",
        "lib/site-packages/toy_bare.py": "",
        "lib/site-packages/toy_named_otherwise.py": "",
    }
    for name, content in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    site = tmp_path / "lib/site-packages"
    distribution(site, "toylib", "1.2", "toylib/__init__.py")
    distribution(site, "Toy-Single", "0.5", "toy_single.py")
    distribution(site, "toygoogle-cloud", "3.0", "toygoogle/cloud/__init__.py")
    distribution(site, "toygoogle-maps", "4.0", "toygoogle/maps/__init__.py")
    distribution(site, "toy_named_otherwise", "9.0", "another.py")
    distribution(site, "the-real-one", "2.0", "toy_named_otherwise.py")
    monkeypatch.syspath_prepend(site)
    monkeypatch.syspath_prepend(tmp_path / "project")
    return (tmp_path / "project").resolve()


def distribution(site, name, version, file):
    folder = site / f"{name.replace('-', '_')}-{version}.dist-info"
    folder.mkdir()
    folder.joinpath("METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    folder.joinpath("RECORD").write_text(f"{file},sha256=x,1\n{folder.name}/METADATA,,\n")
    return folder


def files(root, imported, file="experiments/experiment_a.py"):
    before = set(sys.modules)
    found = Imports().find(imported, root / file)
    assert set(sys.modules) <= before, "something was imported"
    assert found.library is None
    return [path.relative_to(root).as_posix() for path in found.files]


@pytest.mark.parametrize(
    ("imported", "expected"),
    [
        (Import("toy_helpers"), ["toy_helpers.py"]),
        (Import("toy_helpers", "function"), ["toy_helpers.py"]),
        (Import("toy_package"), ["toy_package/__init__.py"]),
        (Import("toy_package.one"), ["toy_package/__init__.py", "toy_package/one.py"]),
        (Import("toy_package", "one"), ["toy_package/__init__.py", "toy_package/one.py"]),
        (
            Import("toy_package.deep", "two"),
            ["toy_package/__init__.py", "toy_package/deep/__init__.py", "toy_package/deep/two.py"],
        ),
        (Import("toy_space.three"), ["toy_space/three.py"]),
        (Import("toy_space", "fast"), ["toy_space/fast.cpython-311-x86_64-linux-gnu.so"]),
        (Import("toy_space"), []),
        (Import("toy_space.inner", "four"), ["toy_space/inner/four.py"]),
        (Import("beside"), ["experiments/beside.py"]),  # pytest adds the folder when it imports the file
    ],
)
def test_a_module_of_the_project_leads_to_its_files_and_those_of_its_packages(root, imported, expected):
    assert files(root, imported) == expected


@pytest.mark.parametrize(
    ("imported", "expected"),
    [
        (Import("", "one", 1), ["toy_package/__init__.py", "toy_package/one.py"]),
        (Import("one", "function", 1), ["toy_package/__init__.py", "toy_package/one.py"]),
        (Import("", "function", 1), ["toy_package/__init__.py"]),
        (
            Import("deep.two", "x", 1),
            ["toy_package/__init__.py", "toy_package/deep/__init__.py", "toy_package/deep/two.py"],
        ),
    ],
)
def test_relative_imports_start_at_the_package_of_the_file(root, imported, expected):
    assert files(root, imported, "toy_package/here.py") == expected


def test_two_dots_are_the_package_above(root):
    expected = ["toy_package/__init__.py", "toy_package/one.py"]
    assert files(root, Import("", "one", 2), "toy_package/deep/two.py") == expected


@pytest.mark.parametrize(
    "name", ["os", "importlib.util", "sys", "collections.abc", "queue", "harness", "harness.space"]
)
def test_the_standard_library_and_the_harness_lead_nowhere(root, name):
    assert Imports().find(Import(name), root / "a.py") == Found()


def test_a_file_of_the_project_that_hides_the_standard_library_counts(root, monkeypatch):
    root.joinpath("sndhdr.py").touch()
    monkeypatch.delitem(sys.modules, "sndhdr", raising=False)
    monkeypatch.syspath_prepend(root)
    assert files(root, Import("sndhdr")) == ["sndhdr.py"]


@pytest.mark.parametrize(
    ("imported", "library", "version"),
    [
        (Import("toylib.inner", "x"), "toylib.inner.x", ("toylib", "1.2")),
        (Import("toy_single"), "toy_single", ("Toy-Single", "0.5")),
        (Import("toygoogle.cloud", "storage"), "toygoogle.cloud.storage", ("toygoogle-cloud", "3.0")),
        (Import("toygoogle", "maps"), "toygoogle.maps", ("toygoogle-maps", "4.0")),
        (Import("toy_bare"), "toy_bare", ("toy_bare", "unknown")),
        (Import("toy_absent"), "toy_absent", ("toy_absent", "not installed")),
        (Import("toy_named_otherwise"), "toy_named_otherwise", ("the-real-one", "2.0")),
    ],
)
def test_an_installed_module_leads_to_its_distribution(root, imported, library, version):
    imports = Imports()
    assert imports.find(imported, root / "a.py") == Found(library=library)
    assert imports.version(library) == version


@pytest.mark.parametrize("name", ["numpy", "pandas", "scipy", "sklearn", "xgboost", "yaml", "_pytest", "PIL"])
def test_distributions_are_those_that_the_slow_way_finds(name):
    distributions = importlib.metadata.packages_distributions()[name]
    found, version = Imports().version(f"{name}.something")
    assert found.lower() in {distribution.lower() for distribution in distributions}
    assert version == importlib.metadata.version(found)


def test_a_version_is_looked_up_once(root, monkeypatch):
    imports = Imports()
    assert imports.version("toylib") == ("toylib", "1.2")
    monkeypatch.setattr(importlib.metadata, "version", lambda name: "2.0")
    assert imports.version("toylib") == ("toylib", "1.2")
    assert Imports().version("toylib") == ("toylib", "2.0")


@pytest.mark.parametrize("spec", [None, "no spec"])
def test_a_module_that_somebody_made_by_hand_is_none_of_ours(root, monkeypatch, spec):
    made = type(sys)("toy_made")
    made.__spec__ = spec
    monkeypatch.setitem(sys.modules, "toy_made", made)
    found = Imports().find(Import("toy_made"), root / "a.py")
    assert found.files == ()


def test_packages_are_named_from_the_outermost(root):
    found = packages(root / "toy_package/deep")
    assert found == [root / "toy_package/__init__.py", root / "toy_package/deep/__init__.py"]
    assert packages(root / "experiments") == []


def test_installed_files_are_known_by_their_folder(root):
    assert installed(root.parent / "lib/site-packages/toylib/__init__.py")
    assert not installed(root / "toy_helpers.py")
