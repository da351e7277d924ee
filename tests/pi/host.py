"""The PC's part: what it must have, the wheel, and what the Pi's answers are compared with."""

import os
import platform
import re
import shutil
import sys
import tarfile
import zipfile
from pathlib import Path

import cv2
import numpy as np
from userland import CERTIFICATES, CommandError, run

from edgits.edge.scene import Scene

ROOT = Path(__file__).parents[2]
STAGES = {"core": "edgits", **{stage: f"edgits/{stage}" for stage in ("edge", "train", "export", "benchmarks")}}
_TOP = {"LICENSE", "MANIFEST.in", "MODELS.md", "README.md", "pyproject.toml"}
# What must be there → the Debian package that brings it
_TOOLS = {
    "/usr/bin/mmdebstrap": "mmdebstrap",
    "/usr/share/keyrings/debian-archive-keyring.gpg": "debian-archive-keyring",
    "/usr/bin/qemu-arm-static": "qemu-user-static",
    "/usr/lib/binfmt.d/qemu-aarch64.conf": "qemu-user-static",
    "/usr/bin/qemu-aarch64": "qemu-user",
    CERTIFICATES: "ca-certificates",
    "/usr/bin/gcc": "gcc",
    "/usr/include/stdio.h": "libc6-dev",
}
_FRAMES = [*range(50, 62), *range(80, 92)]  # of two pages of the scene


class CannotEmulateError(Exception):
    """This machine can't emulate a Pi; the message says why and what to do."""


def prepare() -> None:
    """Installs what is missing for an emulation.

    Raises:
        CannotEmulateError: That isn't possible here.
    """
    if platform.system() != "Linux" or platform.machine() != "x86_64":
        raise CannotEmulateError(f"needs Linux on x86_64, found {platform.system()} on {platform.machine()}")
    missing = sorted({package for path, package in _TOOLS.items() if not Path(path).exists()})
    if os.geteuid() != 0:
        install = f"; it installs {' '.join(missing)}" if missing else ""
        raise CannotEmulateError(f"needs root, to unpack another system and enter it: run it as root{install}")
    if missing:
        _install(missing)
    command = ["unshare", "--user", "--map-root-user", "--mount", "--propagation", "private"]
    try:
        run([*command, "mount", "-t", "binfmt_misc", "none", "/proc/sys/fs/binfmt_misc"], said="mount binfmt_misc")
    except (CommandError, OSError) as error:
        raise CannotEmulateError(f"needs Linux 6.7 or later with user namespaces and binfmt_misc: {error}") from error


def _install(packages: list[str]) -> None:
    if not shutil.which("apt-get"):
        raise CannotEmulateError(f"needs {', '.join(packages)}, which Debian's apt-get would install; there is none")
    options = {"env": os.environ | {"DEBIAN_FRONTEND": "noninteractive"}}
    lock = ["-o", "DPkg::Lock::Timeout=300"]
    try:
        run(["apt-get", "update", "-qq"], said="apt-get update", **options)
        command = ["apt-get", *lock, "install", "-y", "-qq", "--no-install-recommends", *packages]
        run(command, said=f"apt-get install {' '.join(packages)}", **options)
    except CommandError as error:
        raise CannotEmulateError(f"needs the packages {' '.join(packages)}: {error}") from error


def build_wheel(work: Path) -> Path:
    """Builds the sdist, and the wheel from it, of the files that git knows or would take; returns the wheel."""
    listed = run(["git", "ls-files", "-co", "--exclude-standard", "-z"], said="git ls-files", cwd=ROOT).stdout
    source, out = work / "source", work / "dist"
    for folder in (source, out):
        shutil.rmtree(folder, ignore_errors=True)
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, source / name)
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(out), str(source)]
    run(command, said="python -m build")
    (wheel,) = out.glob("*.whl")
    return wheel


def check_packages(wheel: Path, source: Path) -> str:
    """Checks that the sdist holds the stages and the documents, the wheel the stages without notebooks; no more."""
    folders = [source / name for name in (*STAGES, "docs")]
    paths = {path.relative_to(source) for folder in folders for path in folder.rglob("*") if path.is_file()}
    modules = {path for path in paths if path.parts[0] in STAGES and path.suffix != ".ipynb"}
    with zipfile.ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if ".dist-info/" not in name}
    _same(wheel.name, packed, {"/".join([STAGES[path.parts[0]], *path.parts[1:]]) for path in modules})
    (sdist,) = wheel.parent.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        named = {member.name.partition("/")[2] for member in archive.getmembers() if member.isfile()}
    made = {name for name in named if name.startswith("edgits.egg-info/")} | {"PKG-INFO", "setup.cfg"}
    _same(sdist.name, named - made, {*map(str, paths), *_TOP})
    return f"{wheel.name}, {len(packed)} files, {wheel.stat().st_size / 1e6:.2f} MB, made from the sdist"


def _same(package: str, packed: set[str], wanted: set[str]) -> None:
    wrong = [*(f"lacks {name}" for name in wanted - packed), *(f"has {name}" for name in packed - wanted)]
    assert not wrong, f"{package} {', '.join(sorted(wrong))}"


def build_plugin(work: Path) -> Path:
    """Compiles the plugin that counts instructions."""
    plugin = work / "instructions.so"
    code = Path(__file__).with_name("instructions.c")
    run(["gcc", "-O2", "-Wall", "-Werror", "-shared", "-fPIC", "-o", plugin, code], said="gcc instructions.c")
    return plugin


def pins() -> str:
    """Returns the lock's versions, without hashes, as a constraints file has them."""
    lock = (ROOT / "requirements.lock").read_text()
    return "".join(f"{line}\n" for line in re.findall(r"^([\w.-]+==.+?) *\\$", lock, re.MULTILINE))


def write_samples(work: Path) -> Path:
    """Writes page.png, scene.mp4 and digits.npz, all of the built-in scene; returns their folder."""
    folder = work / "samples"
    folder.mkdir(exist_ok=True)
    scene = Scene()
    page, _ = scene.frame(0)
    cv2.imwrite(str(folder / "page.png"), page)
    video = cv2.VideoWriter(str(folder / "scene.mp4"), cv2.VideoWriter.fourcc(*"mp4v"), 10, (640, 480))
    for index in _FRAMES:
        video.write(scene.frame(index)[0])
    video.release()
    crops, labels = [], []
    for index in range(0, 1500, 75):  # a frame of each page
        image, truth = scene.frame(index)
        for digit, (left, top, width, height) in truth.digits:
            crops.append(cv2.resize(image[top : top + height, left : left + width], (40, 48)))
            labels.append(digit)
    np.savez_compressed(folder / "digits.npz", images=np.stack(crops), labels=np.array(labels))
    return folder
