"""GitHub's limit of the nodes that one query may ask for.

https://docs.github.com/en/graphql/overview/rate-limits-and-query-limits-for-the-graphql-api#node-limit
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    InlineFragmentNode,
    IntValueNode,
    OperationDefinitionNode,
    SelectionSetNode,
    ValueNode,
    VariableNode,
)

from bot.rig.github.graphql.view import fail

MAX_NODES = 500_000


def check(document: DocumentNode, operation: OperationDefinitionNode | None, variables: Mapping[str, Any]) -> None:
    """Raises GraphQLError (MAX_NODE_LIMIT_EXCEEDED) where a query could return too many nodes."""
    if operation is None:
        return
    fragments = {each.name.value: each for each in document.definitions if isinstance(each, FragmentDefinitionNode)}
    nodes = _count(operation.selection_set, 1, fragments, variables)
    if nodes > MAX_NODES:
        said = f"This query requests up to {nodes:,} possible nodes which exceeds the maximum limit of {MAX_NODES:,}."
        fail("MAX_NODE_LIMIT_EXCEEDED", said)


def _count(
    selections: SelectionSetNode | None,
    times: int,
    fragments: Mapping[str, FragmentDefinitionNode],
    variables: Mapping[str, Any],
) -> int:
    found = 0
    for each in selections.selections if selections is not None else ():
        within, rows = times, 0
        if isinstance(each, FragmentSpreadNode):
            inside: SelectionSetNode | None = fragments[each.name.value].selection_set
        elif isinstance(each, InlineFragmentNode):
            inside = each.selection_set
        else:
            assert isinstance(each, FieldNode)  # GraphQL has no other selection
            inside = each.selection_set
            limits = [_number(a.value, variables) for a in each.arguments or () if a.name.value in ("first", "last")]
            if limits:
                within = rows = times * max(limits)
        found += rows + _count(inside, within, fragments, variables)
    return found


def _number(value: ValueNode, variables: Mapping[str, Any]) -> int:
    if isinstance(value, IntValueNode):
        return int(value.value)
    given = variables.get(value.name.value) if isinstance(value, VariableNode) else None
    return given if isinstance(given, int) else 0
