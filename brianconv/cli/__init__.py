"""The command line: `brianconv COMMAND`, or `python -m brianconv COMMAND`; one file for each command."""

from brianconv.cli.main import main as main
