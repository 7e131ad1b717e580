"""``python -m gateway`` is the ``headgate`` command."""

from gateway.cli import main

if __name__ == "__main__":
    main(prog_name="headgate")
