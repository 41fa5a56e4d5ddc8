"""A poll of the output that came back cut short is repeated once; only then is the shell at fault."""

from __future__ import annotations

from typing import Any

import pytest

from bot.run.work import _poll
from bot.sandbox.answer import CommandResult
from bot.sandbox.errors import OutputError, SandboxGoneError

CUT = CommandResult(137, "", "")


class FakeSandbox:
    """Answers its commands one after the other."""

    def __init__(self, *answers: CommandResult | Exception) -> None:
        self._answers = list(answers)

    async def run(self, *_: object, **__: object) -> CommandResult:
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


async def poll(*answers: CommandResult | Exception) -> Any:
    sandbox: Any = FakeSandbox(*answers)
    return await _poll(sandbox, 0, 1, 0.1)


async def test_a_sandbox_that_ended_in_the_midst_of_an_answer_is_gone() -> None:
    with pytest.raises(SandboxGoneError):
        await poll(CUT, SandboxGoneError())


async def test_two_such_answers_are_the_shells_doing() -> None:
    with pytest.raises(OutputError):
        await poll(CUT, CUT)
