"""A package with a handler, as somebody else would write it: built as a wheel, and installed by pip into a folder."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path

from bot.dispatch.offered import GROUP

HELLO = '''
"""`/amp hello`: a greeting."""

from bot.events.commands import Verb
from bot.events.handler import Handler, HandlerContext, reply


def plan(context: HandlerContext):
    event = context.invocation.event
    return (reply(event, context.event_key, f"Hello, {event.actor.login}."),)


HANDLER = Handler(
    name="hello",
    usage="/amp hello",
    summary="Greets you.",
    examples=("/amp hello",),
    plan=plan,
    verb=Verb("hello"),
)
'''


def install(folder: Path, name: str, handlers: Mapping[str, str], modules: Mapping[str, str]) -> None:
    """`handlers`: entry point -> `module:attribute`; `modules`: name -> source. The folder is for PYTHONPATH."""
    stem = f"{name.replace('-', '_')}-1.0"
    entries = "\n".join(f"{entry} = {value}" for entry, value in handlers.items())
    files = {
        **{f"{module}.py": source for module, source in modules.items()},
        f"{stem}.dist-info/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n",
        f"{stem}.dist-info/WHEEL": "Wheel-Version: 1.0\nGenerator: hand\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{stem}.dist-info/entry_points.txt": f"[{GROUP}]\n{entries}\n",
    }
    record = f"{stem}.dist-info/RECORD"
    folder.mkdir(parents=True, exist_ok=True)
    wheel = folder.parent / f"{stem}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for path, text in files.items():
            archive.writestr(path, text)
        archive.writestr(record, "".join(f"{path},,\n" for path in (*files, record)))
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "--no-index"]
    subprocess.run([*pip, "--target", str(folder), str(wheel)], check=True)
