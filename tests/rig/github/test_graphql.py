"""GraphQL."""

from __future__ import annotations

from typing import Any

import pytest
from graphql import GraphQLEnumType, GraphQLNamedType, GraphQLSchema, build_schema, is_specified_scalar_type

from bot.rig.contract import fixtures
from bot.rig.contract.contract import Contract
from bot.rig.github.effects.issues import record
from bot.rig.github.effects.reviews import DraftComment
from bot.rig.github.graphql import endpoint
from bot.rig.github.server import GitHub
from bot.rig.github.shapes import moment

from .conftest import Scene


def _ask(scene: Scene, query: str, token: str | None = None, **variables: Any) -> Any:
    """The whole answer; `$owner` and `$name` are filled in."""
    owner, name = scene.repo.full_name.split("/")
    query = query.replace("REPO", f'repository(owner: "{owner}", name: "{name}")')
    answer = scene.http.post(
        f"{scene.github.url}/api/graphql",
        json={"query": query, "variables": variables},
        headers={"authorization": f"bearer {token or scene.token()}"},
    )
    assert answer.status_code == 200, answer.text
    entry = scene.github.server.request_log.entries[-1]
    if "errors" not in answer.json():
        assert Contract.load().check(entry) == ()
    return answer.json()


# --- the schema -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def theirs() -> GraphQLSchema:
    text = fixtures.graphql_schema().read_text()
    return build_schema(text, assume_valid=True, assume_valid_sdl=True)


def _members(kind: GraphQLNamedType) -> dict[str, str]:
    """Every field, argument and value of a type, each with its type."""
    if isinstance(kind, GraphQLEnumType):
        return dict.fromkeys(kind.values, "value")
    found: dict[str, str] = {}
    for name, field in getattr(kind, "fields", {}).items():
        found[name] = str(field.type)
        found |= {f"{name}({each})": str(argument.type) for each, argument in getattr(field, "args", {}).items()}
    return found


def test_the_schema_is_a_part_of_githubs(theirs: GraphQLSchema) -> None:
    ours = endpoint._schema()
    strange = [
        (name, member)
        for name, kind in ours.type_map.items()
        if not name.startswith("__") and not is_specified_scalar_type(kind)
        for member, its in (_members(kind) or {"": ""}).items()
        if name not in theirs.type_map or (member and _members(theirs.type_map[name]).get(member) != its)
    ]
    assert strange == []


# --- queries --------------------------------------------------------------------------------------


def test_one_query_tells_of_a_repository_an_issue_and_its_comments(scene: Scene) -> None:
    scene.github.open_issue(scene.repo, "ann", "Broken", "It *is*.", labels=["amp"])
    scene.github.comment(scene.repo, 1, "bob", "/amp fix")
    token = scene.token()
    made = scene.ask("POST", "{repo}/issues/1/comments", token, {"body": "On it"}).json()
    scene.ask("PATCH", f"{{repo}}/issues/comments/{made['id']}", token, {"body": "Done"})
    query = """{ REPO {
      databaseId nameWithOwner isPrivate isArchived isEmpty isDisabled isLocked
      defaultBranchRef { name target { oid ... on Commit { tree { oid } } } }
      issueOrPullRequest(number: 1) { __typename ... on Issue {
        number title body bodyText state author { login __typename } labels(first: 5) { nodes { name } }
        comments(last: 10) { totalCount nodes {
          databaseId fullDatabaseId body author { login __typename } viewerDidAuthor isMinimized lastEditedAt
        } }
      } } } }"""
    found = _ask(scene, query)["data"]["repository"]
    head = scene.repo.bare.branch("main") or ""
    comments = found["issueOrPullRequest"].pop("comments")
    edited = [each.pop("lastEditedAt") is not None for each in comments["nodes"]]
    ids = [int(each.pop("fullDatabaseId")) for each in comments["nodes"]]
    assert found == {
        "databaseId": scene.repo.id,
        "nameWithOwner": scene.repo.full_name,
        "isPrivate": True,
        "isArchived": False,
        "isEmpty": False,
        "isDisabled": False,
        "isLocked": False,
        "defaultBranchRef": {
            "name": "main",
            "target": {"oid": head, "tree": {"oid": scene.repo.bare.commit(head).tree}},
        },
        "issueOrPullRequest": {
            "__typename": "Issue",
            "number": 1,
            "title": "Broken",
            "body": "It *is*.",
            "bodyText": "It is.",
            "state": "OPEN",
            "author": {"login": "ann", "__typename": "User"},
            "labels": {"nodes": [{"name": "amp"}]},
        },
    }
    assert comments == {
        "totalCount": 2,
        "nodes": [
            {
                "databaseId": None,  # more than 32 bits
                "body": "/amp fix",
                "author": {"login": "bob", "__typename": "User"},
                "viewerDidAuthor": False,
                "isMinimized": False,
            },
            {
                "databaseId": None,
                "body": "Done",
                "author": {"login": "ampbot", "__typename": "Bot"},  # without the [bot] of REST
                "viewerDidAuthor": True,
                "isMinimized": False,
            },
        ],
    }
    assert (ids[1], edited) == (made["id"], [False, True])


def test_who_edited_a_text_and_when_its_issue_was_transferred(scene: Scene) -> None:
    hub = scene.github
    editor = f"editor{scene.repo.id}"
    hub.create_user(editor)
    issue = hub.open_issue(scene.repo, "ann", "Broken", "It is.")
    comment, untouched = hub.comment(scene.repo, 1, "bob", "one"), hub.comment(scene.repo, 1, "bob", "two")
    hub.edit_comment(comment, editor, "three")
    hub.edit_issue(scene.repo, 1, "ann", title="Only the title")
    with hub.state.lock:
        record(hub.state, issue, comment.author, "transferred")
    editors = "... on Comment { userContentEdits(last: 9) { totalCount nodes { editor { login } } } }"
    query = f"query($id: ID!) {{ node(id: $id) {{ {editors} }} }}"
    found = [_ask(scene, query, id=each.node_id)["data"]["node"] for each in (comment, untouched, issue)]
    assert [each["userContentEdits"]["nodes"] for each in found] == [
        [{"editor": {"login": "bob"}}, {"editor": {"login": editor}}],
        [],
        [],
    ]
    hub.delete_user(editor)
    (_, last) = _ask(scene, query, id=comment.node_id)["data"]["node"]["userContentEdits"]["nodes"]
    assert last == {"editor": None}
    query = """{ REPO { issue(number: 1) { timelineItems(itemTypes: [TRANSFERRED_EVENT], last: 1) {
      totalCount nodes { ... on TransferredEvent { actor { login } createdAt } }
    } } } }"""
    timeline = _ask(scene, query)["data"]["repository"]["issue"]["timelineItems"]
    assert timeline == {
        "totalCount": 1,
        "nodes": [{"actor": {"login": "bob"}, "createdAt": moment(issue.events[-1].created_at)}],
    }


def test_a_pull_request_with_its_reviews_threads_and_files(scene: Scene) -> None:
    hub = scene.github
    hub.push_commit(scene.repo, "topic", {"new": "one\ntwo\n", "run.sh": None}, "ann")
    pull = hub.open_pull(scene.repo, "ann", "topic", "Topic", draft=True)
    hub.submit_review(scene.repo, 1, "bob", "Hm", comments=[DraftComment("new", "why", 2)])
    query = """{ REPO { pullRequest(number: 1) {
      state isDraft isCrossRepository mergeable headRefName headRefOid baseRefName baseRefOid maintainerCanModify
      headRepository { nameWithOwner } changedFiles additions deletions
      files(first: 10) { nodes { path changeType } }
      reviews(first: 10) { nodes { state body author { login } } }
      reviewThreads(first: 10) { nodes {
        path line diffSide isResolved isOutdated comments(first: 5) { nodes { body } }
      } }
    } } }"""
    found = _ask(scene, query)["data"]["repository"]["pullRequest"]
    assert found == {
        "state": "OPEN",
        "isDraft": True,
        "isCrossRepository": False,
        "mergeable": "MERGEABLE",
        "headRefName": "topic",
        "headRefOid": pull.head_sha,
        "baseRefName": "main",
        "baseRefOid": pull.base_sha,
        "maintainerCanModify": False,
        "headRepository": {"nameWithOwner": scene.repo.full_name},
        "changedFiles": 2,
        "additions": 2,
        "deletions": 1,
        "files": {"nodes": [{"path": "new", "changeType": "ADDED"}, {"path": "run.sh", "changeType": "DELETED"}]},
        "reviews": {"nodes": [{"state": "COMMENTED", "body": "Hm", "author": {"login": "bob"}}]},
        "reviewThreads": {
            "nodes": [
                {
                    "path": "new",
                    "line": 2,
                    "diffSide": "RIGHT",
                    "isResolved": False,
                    "isOutdated": False,
                    "comments": {"nodes": [{"body": "why"}]},
                }
            ]
        },
    }


def test_refs_and_objects_are_found(scene: Scene) -> None:
    query = """{ REPO {
      ref(qualifiedName: "refs/heads/main") { name prefix target { oid } }
      missing: ref(qualifiedName: "refs/heads/no") { name }
      object(expression: "main:src/login.py") { __typename ... on Blob { text byteSize isBinary } }
      root: object(expression: "main:") { ... on Tree { entries { name type mode } } }
      nothing: object(expression: "main:no") { oid } } }"""
    found = _ask(scene, query)["data"]["repository"]
    assert found["ref"] == {
        "name": "main",
        "prefix": "refs/heads/",
        "target": {"oid": scene.repo.bare.branch("main")},
    }
    assert (found["missing"], found["nothing"]) == (None, None)
    assert found["object"] == {"__typename": "Blob", "text": "one\ntwo\nthree\n", "byteSize": 14, "isBinary": False}
    assert found["root"]["entries"][1] == {"name": "run.sh", "type": "blob", "mode": 0o100755}


def test_connections_are_read_by_cursor(scene: Scene) -> None:
    scene.github.open_issue(scene.repo, "ann", "Broken")
    for number in range(7):
        scene.github.comment(scene.repo, 1, "ann", str(number))
    query = """query ($after: String) { REPO { issue(number: 1) { comments(first: 3, after: $after) {
      nodes { body } pageInfo { hasNextPage endCursor } } } } }"""
    seen: list[str] = []
    after: str | None = None
    while True:
        page = _ask(scene, query, after=after)["data"]["repository"]["issue"]["comments"]
        seen += [node["body"] for node in page["nodes"]]
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            break
    assert seen == [str(number) for number in range(7)]
    unbounded = _ask(scene, "{ REPO { issue(number: 1) { comments { totalCount } } } }")
    assert unbounded["errors"][0]["type"] == "MISSING_PAGINATION_BOUNDARIES"


def test_connections_lag_as_lists_do(scene: Scene, hub: GitHub) -> None:
    scene.github.open_issue(scene.repo, "ann", "Broken")
    hub.settings.list_lag_seconds = 5
    try:
        scene.github.comment(scene.repo, 1, "ann", "new")
        query = "{ REPO { issue(number: 1) { comments(first: 3) { nodes { body } } } } }"
        assert _ask(scene, query)["data"]["repository"]["issue"]["comments"]["nodes"] == []
    finally:
        hub.settings.list_lag_seconds = 0


def test_a_deleted_author_is_null(scene: Scene, hub: GitHub) -> None:
    hub.create_user("zoe")
    scene.github.open_issue(scene.repo, "zoe", "Broken")
    hub.delete_user("zoe")
    found = _ask(scene, "{ REPO { issue(number: 1) { author { login } } } }")
    assert found["data"]["repository"]["issue"]["author"] is None


def test_former_names_lead_to_the_repository_unless_that_is_not_wanted(scene: Scene) -> None:
    owner, name = scene.repo.full_name.split("/")
    scene.github.rename(scene.repo, "gadgets", "ann")
    old = f'repository(owner: "{owner}", name: "{name}"'
    assert _ask(scene, f"{{ {old}) {{ name }} }}")["data"]["repository"]["name"] == "gadgets"
    refused = _ask(scene, f"{{ {old}, followRenames: false) {{ name }} }}")
    assert refused["errors"][0]["type"] == "NOT_FOUND"


def test_errors_have_githubs_form(scene: Scene) -> None:
    missing = _ask(scene, '{ repository(owner: "no", name: "where") { id } }')
    assert missing["data"] == {"repository": None}
    assert missing["errors"] == [
        {
            "type": "NOT_FOUND",
            "path": ["repository"],
            "locations": [{"line": 1, "column": 3}],
            "message": "Could not resolve to a Repository with the name 'no/where'.",
        }
    ]
    nothing = _ask(scene, "{ REPO { issue(number: 9) { id } } }")["errors"][0]
    assert nothing["message"] == "Could not resolve to an Issue with the number of 9."
    assert "data" not in _ask(scene, "{ nonsense }")
    assert "data" not in _ask(scene, "{ broken")
    anonymous = scene.http.post(f"{scene.github.url}/api/graphql", json={"query": "{ viewer { login } }"})
    assert anonymous.status_code == 401


def test_a_token_sees_by_graphql_what_it_sees_by_rest(scene: Scene) -> None:
    scene.github.open_issue(scene.repo, "ann", "Broken")
    query = "{ REPO { name issue(number: 1) { title } defaultBranchRef { name } } }"
    issues_only = _ask(scene, query, scene.token({"issues": "read"}))
    assert issues_only["data"]["repository"]["issue"] == {"title": "Broken"}
    assert issues_only["data"]["repository"]["defaultBranchRef"] is None
    assert [(error["type"], error["path"]) for error in issues_only["errors"]] == [
        ("FORBIDDEN", ["repository", "defaultBranchRef"])
    ]
    stranger = _ask(scene, query, scene.github.personal_token("eve"))
    assert stranger["errors"][0]["type"] == "NOT_FOUND"
    assert _ask(scene, "{ viewer { login } }")["data"]["viewer"]["login"] == "ampbot[bot]"


# --- mutations ------------------------------------------------------------------------------------


def test_comments_are_written_reacted_to_and_hidden(scene: Scene) -> None:
    issue = scene.github.open_issue(scene.repo, "ann", "Broken")
    write = """mutation ($id: ID!) { addComment(input: {subjectId: $id, body: "On it", clientMutationId: "m"}) {
      clientMutationId commentEdge { node { id body author { login } } } } }"""
    made = _ask(scene, write, id=issue.node_id)["data"]["addComment"]
    assert made["clientMutationId"] == "m"
    comment = made["commentEdge"]["node"]
    react = """mutation ($id: ID!) { addReaction(input: {subjectId: $id, content: EYES}) {
      reaction { content } subject { id } } }"""
    assert _ask(scene, react, id=comment["id"])["data"]["addReaction"] == {
        "reaction": {"content": "EYES"},
        "subject": {"id": comment["id"]},
    }
    hide = """mutation ($id: ID!) { minimizeComment(input: {subjectId: $id, classifier: OUTDATED}) {
      minimizedComment { isMinimized minimizedReason } } }"""
    hidden = _ask(scene, hide, id=comment["id"])["data"]["minimizeComment"]["minimizedComment"]
    assert hidden == {"isMinimized": True, "minimizedReason": "outdated"}
    forbidden = _ask(scene, write, scene.token({"issues": "read"}), id=issue.node_id)
    assert forbidden["errors"][0]["type"] == "FORBIDDEN"
    assert len(issue.comments) == 1


def test_a_draft_is_made_ready_and_a_thread_resolved(scene: Scene) -> None:
    hub = scene.github
    hub.push_commit(scene.repo, "topic", {"new": "one\ntwo\n"}, "ann")
    pull = hub.open_pull(scene.repo, "ann", "topic", "Topic")
    hub.review_comment(scene.repo, 1, "bob", DraftComment("new", "why", 2))
    found = scene.client().get_repo(scene.repo.full_name).get_pull(1)
    found.convert_to_draft()
    drafts = [pull.draft]
    found.mark_ready_for_review()
    assert [*drafts, pull.draft] == [True, False]
    threads = "{ REPO { pullRequest(number: 1) { reviewThreads(first: 1) { nodes { id isResolved } } } } }"
    thread = _ask(scene, threads)["data"]["repository"]["pullRequest"]["reviewThreads"]["nodes"][0]
    resolve = "mutation ($id: ID!) { resolveReviewThread(input: {threadId: $id}) { thread { isResolved } } }"
    done = _ask(scene, resolve, id=thread["id"])["data"]["resolveReviewThread"]["thread"]
    assert (thread["isResolved"], done["isResolved"]) == (False, True)
