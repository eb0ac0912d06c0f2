"""Runs functions in worker processes, which exchange pickled messages over `multiprocessing.connection`.

A worker isolates code that may crash its process (native code that reads damaged files, LiteRT's converter) and
libraries whose output belongs in a log. Imports neither TensorFlow nor other packages of this project.
"""

from workers.process import UserError, Worker, WorkerEndedError, WorkerTimeoutError, ask

__all__ = ["UserError", "Worker", "WorkerEndedError", "WorkerTimeoutError", "ask"]
