"""`ampbot costs`: the tokens that runs used, summed. Read-only, also while the bot is running."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from bot.caps import By
from bot.cli.database import open_view
from bot.cli.environment import load_settings

if TYPE_CHECKING:
    from bot.store.ledger import Costs


def costs(
    by: Annotated[By, typer.Option(help="What to sum by.")] = By.DAY,
    json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """What Amp used, by day (UTC), person or repository, as far as its stream tells."""
    from bot.store import ledger

    with open_view(load_settings()) as connection:
        found = ledger.costs(connection, by)
    if json:
        for each in found:
            typer.echo(_json(each, by))
        return
    if not found:
        typer.echo("Amp has used nothing yet.")
        return
    width = max(len(each.name) for each in found)
    typer.echo(f"{by.value:<{width}}  {'runs':>6}  {'turns':>7}  {'tokens in':>15}  {'tokens out':>13}")
    for each in found:
        usage = each.usage
        tokens = f"{usage.read:>15,}  {usage.output_tokens:>13,}"
        typer.echo(f"{each.name:<{width}}  {each.runs:>6,}  {each.turns:>7,}  {tokens}")


def _json(costs: Costs, by: By) -> str:
    from json import dumps

    usage = costs.usage
    return dumps(
        {
            by.value: costs.name,
            "id": costs.id,
            "runs": costs.runs,
            "turns": costs.turns,
            "input_tokens": usage.input_tokens,
            "output_tokens": usage.output_tokens,
            "cache_read_tokens": usage.cache_read,
            "cache_creation_tokens": usage.cache_creation,
        }
    )
