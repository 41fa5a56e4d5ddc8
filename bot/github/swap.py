"""Moves a branch by compare-and-swap, which REST does not have."""

from __future__ import annotations

from bot.github.errors import ForbiddenError, GitHubError, NotFoundError, UnprocessableError
from bot.github.repository import Repository

_SWAP = "mutation Swap($input: UpdateRefsInput!) { updateRefs(input: $input) { clientMutationId } }"


async def swap_branch(repository: Repository, id: str, name: str, expected: str, sha: str) -> None:  # noqa: A002 - GitHub's name
    """Move a branch forward from `expected` to `sha`. It does nothing unless the branch is at `expected`.

    With REST, a branch that was forced back would get its dropped commits again. `id`: the repository's GraphQL id.
    https://docs.github.com/en/graphql/reference/mutations#updaterefs

    Raises:
        UnprocessableError: the branch is elsewhere or gone, or a rule forbids the push. GitHub does not document how
            these answers differ: look at the branch.
        GitHubError: for other reasons.
    """
    update = {"name": f"refs/heads/{name}", "beforeOid": expected, "afterOid": sha, "force": False}
    try:
        await repository.mutate(_SWAP, {"repositoryId": id, "refUpdates": [update]})
    except GitHubError as error:
        # GitHub does not document of what kind GraphQL's error is. Forbidden: a rule. Not found: the branch is gone.
        if type(error) in (GitHubError, ForbiddenError, NotFoundError):
            raise UnprocessableError(422, error.message) from None
        raise
