"""Beam's job server, with every stage split over several workers: `python portable_job_service.py WORKERS ...`.

`apache_beam.runners.portability.local_job_service_main` gives every job one worker; Flink and Spark give it as many as
their parallelism.
"""

import logging
import sys

from apache_beam.runners.portability import local_job_service_main
from apache_beam.runners.portability.fn_api_runner import fn_runner


class SeveralWorkers(fn_runner.FnApiRunner):
    """FnApiRunner with a fixed number of workers."""

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self._num_workers = workers


workers = int(sys.argv[1])
fn_runner.FnApiRunner = SeveralWorkers
logging.basicConfig(level=logging.INFO)
local_job_service_main.run(sys.argv[2:])
