"""`readstate`, and `python -m readstate`: the commands, which need the extra `server`."""

import sys


def main() -> None:
    """Run a command, or say what is missing where the client alone is installed."""
    try:
        from readstate import cli
    except ModuleNotFoundError as error:
        sys.exit(f"readstate: no module {error.name}: the commands need pip install 'readstate[server]'")
    cli.main(prog_name="readstate")


if __name__ == "__main__":
    main()
