"""One small file for each command or trigger. The order is that of `/amp help`."""

from bot.handler import Handler
from handlers import help as help_
from handlers import label, retry, review, run, status, stop

HANDLERS: tuple[Handler, ...] = (
    run.HANDLER,
    review.HANDLER,
    label.HANDLER,
    stop.HANDLER,
    retry.HANDLER,
    status.HANDLER,
    help_.HANDLER,
)
