"""The wheel in a fresh environment without extras, under NumPy 2: it codes, and says what else a program would need.

What the wheel requires is installed from a package index there, but torch and what torch needs, which are large, are
links to those of this environment. Nothing else of this environment can be imported.
"""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

import numpy as np
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from PIL import Image

from tests.command_calls import save_picture

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
INSTALLED = ("numpy>=2", "pillow", "safetensors", "constriction", "rich")
LINKED = "torch"
PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check")
Run = subprocess.CompletedProcess[str]


def run(*words: object, folder: Path, checkout: bool = False) -> Run:
    """A program in a folder from which the checkout can be imported only where that is asked for."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    if checkout:
        environment["PYTHONPATH"] = str(ROOT)
    command = [str(word) for word in words]
    return subprocess.run(command, capture_output=True, text=True, cwd=folder, env=environment, check=False)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy, as what an earlier build left in the checkout would come along."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    shutil.copytree(ROOT / "hvqcgic", source / "hvqcgic", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    built = run(*PIP, "wheel", "--no-deps", "--no-build-isolation", "-w", folder, source, folder=folder)
    assert built.returncode == 0, built.stderr
    return next(folder.glob("*.whl"))


def with_all_it_needs(name: str, found: dict[str, Distribution] | None = None) -> dict[str, Distribution]:
    """A package of this environment and those that it needs here, by name."""
    found = {} if found is None else found
    try:
        package = distribution(name)
    except PackageNotFoundError:
        return found  # for another system, or an extra of it
    if canonicalize_name(name) not in found:
        found[canonicalize_name(name)] = package
        for requirement in map(Requirement, package.requires or []):
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                with_all_it_needs(requirement.name, found)
    return found


def link(packages: dict[str, Distribution], folder: Path) -> None:
    """Link all that packages consist of into a folder."""
    for package in packages.values():
        for name in {file.parts[0] for file in package.files or () if file.parts[0] not in ("..", "__pycache__")}:
            source, target = Path(str(package.locate_file(name))), folder / name
            if source.exists() and not target.exists():
                target.symlink_to(source)


@pytest.fixture(scope="module")
def fresh(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The environment's folder of programs."""
    folder = tmp_path_factory.mktemp("fresh")
    (folder / "links").mkdir()
    link(with_all_it_needs(LINKED), folder / "links")
    made = run(sys.executable, "-m", "venv", "--without-pip", folder / "venv", folder=folder)
    assert made.returncode == 0, made.stderr
    programs = Path(sysconfig.get_path("scripts", "venv", {"base": str(folder / "venv")}))
    site = Path(sysconfig.get_path("purelib", "venv", {"base": str(folder / "venv")}))
    (site / "links.pth").write_text(f"{folder / 'links'}\n")
    tested = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("numpy==")]
    (folder / "constraints.txt").write_text("\n".join(tested))
    pip = (*PIP, "--python", programs / "python", "install", "--retries", "1")
    fetched = run(*pip, "--prefer-binary", "-c", "constraints.txt", *INSTALLED, folder=folder)
    if fetched.returncode:
        pytest.skip(f"{', '.join(INSTALLED)} cannot be had of the package index: {fetched.stderr.splitlines()[-1:]}")
    # All that the wheel needs is there: nothing more may be fetched.
    installed = run(*pip, "--no-index", wheel, folder=folder)
    assert installed.returncode == 0, installed.stderr
    return programs


def test_the_wheel_holds_every_file_of_the_package(wheel: Path) -> None:
    files = {path.relative_to(ROOT).as_posix() for path in (ROOT / "hvqcgic").rglob("*") if path.is_file()}
    held = set(zipfile.ZipFile(wheel).namelist())
    assert {name for name in files if "__pycache__" not in name} <= held
    assert {"hvqcgic/configs/tiny.yaml", "hvqcgic/weights/tiny.safetensors", "hvqcgic/py.typed"} <= held
    assert {name.partition("/")[0] for name in held} == {"hvqcgic", f"{wheel.name.rsplit('-', 3)[0]}.dist-info"}


def python(fresh: Path, folder: Path, code: str) -> Run:
    return run(fresh / "python", "-c", code, folder=folder)


def test_only_what_coding_needs_is_installed(fresh: Path, tmp_path: Path) -> None:
    code = "import importlib.metadata as m, json; print(json.dumps([[d.name, d.version] for d in m.distributions()]))"
    found = {str(canonicalize_name(name)): text for name, text in json.loads(python(fresh, tmp_path, code).stdout)}
    assert found["numpy"].startswith("2.")
    own = {"hvqcgic", *(canonicalize_name(Requirement(line).name) for line in INSTALLED)}
    of_rich = {"markdown-it-py", "mdurl", "pygments"}
    assert set(found) == own | of_rich | with_all_it_needs(LINKED).keys()


def test_it_codes_as_this_environment_does(fresh: Path, tmp_path: Path) -> None:
    save_picture(tmp_path / "x.png", seed=5, size=(150, 110))
    options = ("--bpp", "0.25", "--granularity", "rd", "--roi", "10,10,40,40=3")
    here = (sys.executable, "-m", "hvqcgic")
    for name, program, checkout in (("there", (fresh / "hvqcgic",), False), ("here", here, True)):
        for words in (
            ("compress", "x.png", "-o", f"{name}.hvq", *options),
            ("decompress", "there.hvq", "-o", f"{name}.png", "--steps", "1"),
            ("compare", "x.png", "--json"),
        ):
            done = run(*program, *words, folder=tmp_path, checkout=checkout)
            assert (done.returncode, done.stderr) == (0, ""), done.stderr
    assert (tmp_path / "there.hvq").read_bytes() == (tmp_path / "here.hvq").read_bytes()
    with Image.open(tmp_path / "there.png") as there, Image.open(tmp_path / "here.png") as here_too:
        assert there.size == (150, 110)
        assert np.array_equal(np.asarray(there), np.asarray(here_too))


def test_pillow_opens_and_saves_there(fresh: Path, tmp_path: Path) -> None:
    save_picture(tmp_path / "x.png", seed=6)
    code = "import hvqcgic.pillow; from PIL import Image; Image.open('x.png').save('x.hvq', bpp=0.25); "
    done = python(fresh, tmp_path, code + "print(Image.open('x.hvq').convert('RGB').size)")
    assert (done.returncode, done.stdout) == (0, "(52, 37)\n"), done.stderr


PROGRAMS = {
    "train": ("lightning", "train"),
    "evaluate": ("jsonargparse", "evaluate"),
    "export": ("lightning", "train"),
    "demo": ("scikit-image", "train"),
    "sweep": ("jsonargparse", "sweep"),
    "scale": ("jsonargparse", "scale"),
}


@pytest.mark.parametrize("program", sorted(PROGRAMS))
def test_a_program_says_which_extra_it_lacks(fresh: Path, tmp_path: Path, program: str) -> None:
    words = ("x.ckpt", "-o", "x.safetensors") if program == "export" else ()
    done = run(fresh / "python", "-m", f"hvqcgic.{program}", *words, folder=tmp_path)
    package, extra = PROGRAMS[program]
    needs = f"python -m hvqcgic.{program} needs {package}, which is not installed: pip install 'hvqcgic[{extra}]'"
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"hvqcgic: {needs}\n")


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ("--refine 2", "refine 2"),
        ("--target lpips=0.1", "target lpips=0.1"),
        ("--budget 1MB --budget-by lpips", "a budget by lpips"),
    ],
)
def test_an_option_says_which_extra_it_lacks(fresh: Path, tmp_path: Path, options: str, what: str) -> None:
    save_picture(tmp_path / "x.png", seed=7)
    done = run(fresh / "hvqcgic", "compress", "x.png", "-o", "x.hvq", *options.split(), folder=tmp_path)
    told = f"hvqcgic: {what} needs lpips, which is not installed: pip install 'hvqcgic[lpips]'\n"
    assert (done.returncode, done.stdout, done.stderr) == (2, "", told)
    assert not (tmp_path / "x.hvq").exists()
