"""Private names of Apache Beam; each with what replaces it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NoReturn

from apache_beam.options.pipeline_options import PipelineOptions, _BeamArgumentParser


def unknown_options(options: Sequence[str]) -> list[str]:
    """The command-line options, such as "--runner=Flink", that no class of Beam's options declares.

    `PipelineOptions` itself only logs what it does not know (`_BeamArgumentParser`, `_add_argparse_args`). Goes when it
    can be told to refuse it.

    Raises:
        ValueError: the value of an option cannot be read; the message is Beam's.
    """

    class Parser(_BeamArgumentParser):  # type: ignore[misc]
        def error(self, message: str) -> NoReturn:
            raise ValueError(message)

    parser = Parser(add_help=False, allow_abbrev=False)
    for group in PipelineOptions.__subclasses__():
        group._add_argparse_args(parser)
    _, unknown = parser.parse_known_args(list(options))
    return list(unknown)
