"""Checks GraphQL queries, their variables and the stand-in's data against GitHub's schema."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLAbstractType,
    GraphQLError,
    GraphQLObjectType,
    GraphQLResolveInfo,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
    TypeInfo,
    TypeInfoVisitor,
    Visitor,
    build_schema,
    execute_sync,
    get_operation_ast,
    parse,
    validate,
    visit,
)
from graphql.execution.values import get_variable_values

from bot.rig.contract.exceptions import Kind, Violation
from bot.rig.http.request_log import Entry

WHERE = "POST /graphql"


class GraphqlContract:
    def __init__(self, schema: Path) -> None:
        # GitHub's schema is valid; validating it would take as long as parsing it.
        self.schema = build_schema(schema.read_text(encoding="utf-8"), assume_valid=True)
        self.read = lru_cache(maxsize=1_000)(self._read)

    def check(self, entry: Entry, *, answer: bool) -> Iterator[Violation]:
        """Violations of a query and its variables, and with `answer` also of the data."""
        asked = _object(entry.body)
        if entry.method != "POST" or asked is None or not isinstance(asked.get("query"), str):
            yield Violation("graphql", WHERE, "a query is a POST with a JSON object that has a query")
            return
        for key in sorted(set(asked) - {"query", "variables", "operationName"}):
            yield Violation("body key", WHERE, f"the endpoint's body has no {key}")
        document, errors = self.read(asked["query"])
        yield from (Violation("graphql", WHERE, error) for error in errors)
        if errors or document is None:
            return
        operation = get_operation_ast(document, asked.get("operationName"))
        if operation is None:
            yield Violation("graphql", WHERE, "there is no one operation to be run")
            return
        variables = asked.get("variables") or {}
        wrong = list(self._check_variables(operation, variables))
        yield from wrong
        if answer and not wrong:
            yield from self._check_answer(entry, document, asked)

    def fields(self, query: str) -> frozenset[tuple[str, str]]:
        """The fields a query selects, each with its parent type; empty for an invalid query."""
        document, errors = self.read(query)
        if document is None or errors:
            return frozenset()
        types = TypeInfo(self.schema)
        selected = _Selected(types)
        visit(document, TypeInfoVisitor(types, selected))
        return frozenset(selected.fields)

    def _read(self, query: str) -> tuple[DocumentNode | None, tuple[str, ...]]:
        try:
            document = parse(query)
        except GraphQLError as error:
            return None, (error.message,)
        return document, tuple(error.message for error in validate(self.schema, document))

    def _check_variables(self, operation: OperationDefinitionNode, variables: object) -> Iterator[Violation]:
        if not isinstance(variables, dict):
            yield Violation("graphql", WHERE, "variables are an object")
            return
        definitions = operation.variable_definitions or ()
        for name in sorted(set(variables) - {each.variable.name.value for each in definitions}):
            yield Violation("graphql", WHERE, f"the operation declares no variable ${name}")
        coerced = get_variable_values(self.schema, definitions, variables)
        if isinstance(coerced, list):
            yield from (Violation("graphql", WHERE, error.message) for error in coerced)

    def _check_answer(self, entry: Entry, document: DocumentNode, asked: Mapping[str, Any]) -> Iterator[Violation]:
        answer = _object(entry.answer)
        if entry.status != 200:
            if entry.status not in (401, 403, 429, 502, 503):
                yield _answer(f"GitHub does not answer {entry.status} here")
            elif answer is None or not isinstance(answer.get("message"), str):
                yield _answer(f"the body of a {entry.status} is an object with a message")
        elif answer is None:
            yield _answer("the body is no JSON object")
        elif "errors" in answer:
            errors = answer["errors"]
            if not errors or not all(isinstance(each.get("message"), str) for each in errors):
                yield _answer("errors are a list, not empty, of objects with a message")
        elif not isinstance(answer.get("data"), dict):
            yield _answer("there are neither data nor errors")
        else:
            yield from self._check_data(answer["data"], document, asked)

    def _check_data(
        self, data: Mapping[str, Any], document: DocumentNode, asked: Mapping[str, Any]
    ) -> Iterator[Violation]:
        """Execute the query on its own answer: each error is an error in the answer."""
        result = execute_sync(
            self.schema,
            document,
            root_value=data,
            variable_values=asked.get("variables") or {},
            operation_name=asked.get("operationName"),
            field_resolver=_given,
            type_resolver=_given_type,
        )
        for error in result.errors or ():
            at = ".".join(map(str, error.path or ()))
            yield _answer(f"{at}: {error.message}")
        if not result.errors:
            for at in _differences(data, result.data):
                yield _answer(f"{at}: not as the query and the schema have it")


class _Selected(Visitor):
    def __init__(self, types: TypeInfo) -> None:
        super().__init__()
        self._types = types
        self.fields: set[tuple[str, str]] = set()

    def enter_field(self, node: FieldNode, *_: object) -> None:
        type_ = self._types.get_parent_type()
        if type_ is not None and node.name.value != "__typename":
            self.fields.add((type_.name, node.name.value))


def _given(source: Any, info: GraphQLResolveInfo[Any], **_arguments: object) -> object:
    key = info.path.key
    if not isinstance(source, Mapping):
        raise GraphQLError(f"an object, {info.parent_type.name}, is expected")
    if key not in source:
        raise GraphQLError("the answer lacks it")
    return source[key]


def _given_type(value: Any, info: GraphQLResolveInfo[Any], abstract: GraphQLAbstractType) -> str:
    """The `__typename`; if it was not selected, a type whose selected fields match the answer."""
    if not isinstance(value, Mapping):
        raise GraphQLError(f"an object, {abstract.name}, is expected")
    if "__typename" in value:
        return str(value["__typename"])
    for candidate in info.schema.get_possible_types(abstract):
        keys: set[str] = set()
        for node in info.field_nodes:
            if node.selection_set is not None:
                keys |= _keys(node.selection_set, candidate, info)
        if keys == set(value):
            return candidate.name
    raise GraphQLError(f"no type of {abstract.name} has exactly the fields {', '.join(sorted(value))}")


def _keys(selections: SelectionSetNode, type_: GraphQLObjectType, info: GraphQLResolveInfo[Any]) -> set[str]:
    """The response keys that a selection yields for an object of this type."""
    keys: set[str] = set()
    for node in selections.selections:
        if isinstance(node, FieldNode):
            keys.add((node.alias or node.name).value)
            continue
        fragment: InlineFragmentNode | FragmentDefinitionNode
        if isinstance(node, FragmentSpreadNode):
            fragment = info.fragments[node.name.value]
        elif isinstance(node, InlineFragmentNode):
            fragment = node
        condition = fragment.type_condition
        if condition is None or _is(type_, condition.name.value, info):
            keys |= _keys(fragment.selection_set, type_, info)
    return keys


def _is(type_: GraphQLObjectType, name: str, info: GraphQLResolveInfo[Any]) -> bool:
    other = info.schema.type_map[name]
    return type_ is other or (isinstance(other, GraphQLAbstractType) and info.schema.is_sub_type(other, type_))


def _differences(given: object, meant: object, at: str = "data") -> Iterator[str]:
    if isinstance(given, Mapping) and isinstance(meant, Mapping):
        for key in given:
            yield from _differences(given[key], meant.get(key, ...), f"{at}.{key}")
    elif isinstance(given, list) and isinstance(meant, list):
        for index, (one, other) in enumerate(zip(given, meant, strict=True)):
            yield from _differences(one, other, f"{at}.{index}")
    elif given != meant or type(given) is not type(meant):
        yield at


def _object(body: bytes) -> dict[str, Any] | None:
    try:
        value = json.loads(body)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _answer(detail: str) -> Violation:
    kind: Kind = "answer"
    return Violation(kind, WHERE, detail)
