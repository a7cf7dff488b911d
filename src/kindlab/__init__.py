"""kindlab: labs that grade themselves on a live cluster."""

from typing import Any

__version__ = "0.1.0"


def load_ipython_extension(shell: Any) -> None:
    """`%load_ext kindlab` in a notebook."""
    from IPython.display import display

    from kindlab import notebook, shown

    notebook.register(shell)
    display(shown.pictures())  # type: ignore[no-untyped-call]
