"""What `ampbot demo` and `ampbot rig` need beyond the rest: the packages of the extra `rig`."""

from __future__ import annotations

from importlib.util import find_spec

import typer

# As they are imported. pyproject.toml names the packages; a test compares the two.
RIG = ("graphql", "markupsafe", "python_multipart")


def require_rig() -> None:
    """Return where the extra is installed; otherwise say how to install it, and exit with code 2."""
    if all(find_spec(name) is not None for name in RIG):
        return
    typer.echo(
        "`ampbot demo` and `ampbot rig` need the extra `rig`: install ampbot with it, "
        "as in `pipx install 'ampbot[rig]'` or `pip install 'ampbot[rig]'`.",
        err=True,
    )
    raise typer.Exit(2)
