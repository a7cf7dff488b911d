"""`sh`: BusyBox ash as the labs use it. `COMMANDS` has it under its names."""

from pocketkube.images.shell.program import COMMANDS, sh

__all__ = ["COMMANDS", "sh"]
