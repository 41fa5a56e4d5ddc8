"""One small file for each command or trigger. The order is that of `/amp help`."""

from bot.events.handler import Handler
from handlers import help as help_
from handlers import label, retry, review, run, status, stop

_HANDLERS = (run.HANDLER, review.HANDLER, label.HANDLER, stop.HANDLER, retry.HANDLER, status.HANDLER)


def with_others(*others: Handler) -> tuple[Handler, ...]:
    """Ours, those of other packages, and last the help on all of them."""
    return (*_HANDLERS, *others, help_.handler((*_HANDLERS, *others)))


HANDLERS = with_others()
