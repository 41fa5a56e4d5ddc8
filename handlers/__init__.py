"""One small module per command or trigger, in the order of `/amp help`."""

from bot.events.handler import Handler
from handlers import help as help_
from handlers import label, retry, review, run, status, stop

_HANDLERS = (run.HANDLER, review.HANDLER, label.HANDLER, stop.HANDLER, retry.HANDLER, status.HANDLER)


def with_others(*others: Handler) -> tuple[Handler, ...]:
    """Our handlers, then those of other packages, and last `/amp help`, which lists them all."""
    return (*_HANDLERS, *others, help_.handler((*_HANDLERS, *others)))


HANDLERS = with_others()
