"""The command line."""

import sys
from typing import NoReturn

from rich.console import Console
from rich.markup import escape

from embedding_studio.cli import app
from embedding_studio.kernel.errors import StudioError

__all__ = ["main"]


def main() -> NoReturn:
    """Run a command; an error of ours ends it with one line on standard error and status 1."""
    try:
        app()
    except StudioError as error:
        Console(stderr=True).print(f"[red]Error:[/] {escape(error.detail)}", highlight=False)
        sys.exit(1)
    sys.exit(0)


if __name__ == "__main__":
    main()
