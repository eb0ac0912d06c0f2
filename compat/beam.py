"""Private names of Apache Beam, and what would replace each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NoReturn

from apache_beam.options.pipeline_options import PipelineOptions, _BeamArgumentParser


def unknown_options(options: Sequence[str]) -> list[str]:
    """The command-line options, such as "--runner=Flink", that no class of Beam options declares.

    `PipelineOptions` only logs unknown options (hence `_BeamArgumentParser`, `_add_argparse_args`). Remove this when it
    can reject them.

    Raises:
        ValueError: an option has an invalid value; the message is Beam's.
    """

    class Parser(_BeamArgumentParser):  # type: ignore[misc]
        def error(self, message: str) -> NoReturn:
            raise ValueError(message)

    parser = Parser(add_help=False, allow_abbrev=False)
    for group in PipelineOptions.__subclasses__():
        group._add_argparse_args(parser)
    _, unknown = parser.parse_known_args(list(options))
    return list(unknown)
