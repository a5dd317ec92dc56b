"""Wheels hold the kernels compiled for each instruction set of this machine's family; all else is in pyproject.toml.

Such a wheel is for one platform and any Python. Without a compiler it is a plain one, whose users' own compiler is run
at first use, as in a checkout.
"""

import platform
import subprocess
import sys
from pathlib import Path

from setuptools import setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_py import build_py

sys.path.insert(0, str(Path(__file__).parent))  # builds run apart from the checkout

from tickets.hosts.native import objects, processor


class BuildPy(build_py):
    """Copies the packages and compiles the kernels into them; not for an editable installation."""

    def run(self):
        super().run()
        if self.editable_mode or objects.compiler() is None:
            return
        folder = Path(self.build_lib, *objects.SHIPPED.parts[-4:])
        folder.mkdir(parents=True, exist_ok=True)
        for kind in processor.SETS:
            if not kind.machines or platform.machine().lower() in kind.machines:
                compiled(kind, folder / objects.file_name(kind, "f32"))


def compiled(kind, path):
    """Compile an object, with the further flags that the compiler knows; what it cannot compile is left out."""
    for more in objects.ATTEMPTS:
        if subprocess.run(objects.command(kind, "f32", path, more)).returncode == 0:
            return
    print(f"warning: no kernels for {kind.name} in this wheel", file=sys.stderr)


class Wheel(bdist_wheel):
    """A wheel that says for which machines its objects are."""

    def get_tag(self):
        self.root_is_pure = self.root_is_pure and objects.compiler() is None
        python, abi, where = super().get_tag()
        return (python, abi, where) if self.root_is_pure else ("py3", "none", where)


setup(cmdclass={"build_py": BuildPy, "bdist_wheel": Wheel})
