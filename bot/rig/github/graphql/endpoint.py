"""POST /api/graphql: executes queries on the state with graphql-core."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from graphql import (
    GraphQLError,
    GraphQLObjectType,
    GraphQLResolveInfo,
    GraphQLSchema,
    OperationType,
    build_schema,
    execute_sync,
    get_operation_ast,
    is_abstract_type,
    parse,
    validate,
)
from graphql.language import DocumentNode

from bot.rig.github.auth import identify, refuse_while_lagging
from bot.rig.github.graphql import nodes
from bot.rig.github.graphql.fields import FIELDS, type_name
from bot.rig.github.graphql.mutations import resolver
from bot.rig.github.graphql.view import View
from bot.rig.github.limits import Cost
from bot.rig.github.refusal import Refusal
from bot.rig.github.rest.call import Answer
from bot.rig.github.rest.router import Request
from bot.rig.github.state import State


class GraphQL:
    def __init__(self, state: State) -> None:
        self._state = state
        self._schema = _schema()

    def answer(self, request: Request) -> Answer:
        bucket = "127.0.0.1"
        try:
            identity = identify(self._state, request.headers.get("authorization"))
            if identity.token is None:
                raise Refusal(401, "This endpoint requires you to be authenticated.")
            bucket = identity.bucket
            refuse_while_lagging(self._state, identity)
            with self._state.meter.request(bucket):
                answer = self._execute(request, View(self._state, identity), bucket)
        except Refusal as refusal:
            answer = Answer(refusal.status, refusal.body(), refusal.headers)
        headers = {**self._state.meter.headers(bucket, "graphql"), **answer.headers}
        return Answer(answer.status, answer.body, headers)

    def _execute(self, request: Request, view: View, bucket: str) -> Answer:
        query, variables, name = _read(request)
        try:
            document = parse(query)
        except GraphQLError as error:
            self._state.meter.charge(bucket, Cost("graphql", 1))
            return Answer(body={"errors": [_error(error)]})
        operation = get_operation_ast(document, name)
        mutation = operation is not None and operation.operation is OperationType.MUTATION
        try:
            self._state.meter.charge(bucket, _cost(document, mutation=mutation))
        except Refusal as refusal:
            if "API rate limit" in refusal.message:  # GraphQL reports errors with status 200
                return Answer(body={"errors": [{"type": "RATE_LIMITED", "message": refusal.message}]})
            raise
        if errors := validate(self._schema, document):
            return Answer(body={"errors": [_error(error) for error in errors]})
        try:
            nodes.check(document, operation, variables)
        except GraphQLError as error:
            return Answer(body={"errors": [_error(error)]})
        with self._state.lock:
            result = execute_sync(
                self._schema,
                document,
                context_value=view,
                variable_values=dict(variables),
                operation_name=name,
            )
        body: dict[str, Any] = {"data": result.data}
        if result.errors:
            body["errors"] = [_error(error) for error in result.errors]
        return Answer(body=body)


def _read(request: Request) -> tuple[str, Mapping[str, Any], str | None]:
    try:
        body = json.loads(request.body)
    except ValueError:
        raise Refusal(400, "Problems parsing JSON") from None
    if not isinstance(body, dict) or not isinstance(body.get("query"), str):
        raise Refusal(400, "A query attribute must be specified and must be a string.")
    variables = body.get("variables") or {}
    if not isinstance(variables, dict):
        raise Refusal(400, "Variables must be an object.")
    return body["query"], variables, body.get("operationName")


def _cost(document: DocumentNode, *, mutation: bool) -> Cost:
    return Cost("graphql", 5 if mutation else 1, content=mutation)


def _error(error: GraphQLError) -> dict[str, Any]:
    """The error in GitHub's format, with type and path."""
    shape: dict[str, Any] = {}
    extensions = dict(error.extensions or {})
    original = error.original_error
    if isinstance(original, Refusal):
        extensions["type"] = {403: "FORBIDDEN", 404: "NOT_FOUND"}.get(original.status, "UNPROCESSABLE")
    elif original is not None and not isinstance(original, GraphQLError):
        raise original  # a bug of the stand-in, not an error of the query
    if "type" in extensions:
        shape["type"] = extensions["type"]
    if error.path:
        shape["path"] = error.path
    if error.locations:
        shape["locations"] = [{"line": each.line, "column": each.column} for each in error.locations]
    message = "; ".join(_details(original)) if isinstance(original, Refusal) else error.message
    return {**shape, "message": message}


def _details(refusal: Refusal) -> list[str]:
    said = [each["message"] if isinstance(each, Mapping) and "message" in each else each for each in refusal.errors]
    return [each for each in said if isinstance(each, str)] or [refusal.message]


def _schema() -> GraphQLSchema:
    schema = build_schema(Path(__file__).with_name("schema.graphql").read_text())
    for name, kind in schema.type_map.items():
        if name.startswith("__"):
            continue
        if is_abstract_type(kind):
            kind.resolve_type = lambda thing, _info, _type: type_name(thing)
        if isinstance(kind, GraphQLObjectType):
            for field_name, field in kind.fields.items():
                table = FIELDS.get(name, {})
                known = resolver(field_name) if name == "Mutation" else table.get(field_name)
                field.resolve = _resolve(known, field_name)
    return schema


def _resolve(known: Callable[..., Any] | None, name: str) -> Callable[..., Any]:
    def resolve(thing: Any, info: GraphQLResolveInfo[View], **arguments: Any) -> Any:
        if known is not None and not isinstance(thing, dict):
            return known(thing, info.context, **arguments)
        return thing[name] if isinstance(thing, dict) else getattr(thing, name)

    return resolve
