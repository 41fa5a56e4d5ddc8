"""Starts the stand-in from any folder: `python -I -S program.py …`. AMP_RIG_ERA selects the era."""

import importlib
import importlib.util
import sys
from pathlib import Path


def run() -> int:
    # -I keeps this folder off sys.path, and it may be mounted under any name: load it as a package by hand.
    sys.dont_write_bytecode = True
    folder = Path(__file__).resolve().parent
    spec = importlib.util.spec_from_file_location(
        "amp_stand_in", folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    assert spec is not None
    assert spec.loader is not None
    sys.modules[spec.name] = package = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(package)
    status: int = importlib.import_module("amp_stand_in.cli").main(sys.argv[1:])
    return status


if __name__ == "__main__":
    sys.exit(run())
