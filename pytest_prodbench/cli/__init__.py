"""The ``prodbench`` command."""


def main() -> int:
    """Run the command; returns its exit code."""
    raise SystemExit("not yet")
