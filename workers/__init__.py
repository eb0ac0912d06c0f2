"""Functions in processes of their own, by one protocol: pickled messages over `multiprocessing.connection`.

A process of its own is for what may end it (native code that reads damaged files, LiteRT's converter), and for
libraries whose output belongs in a log. Imports nothing of ours, and no TensorFlow.
"""

from workers.process import UserError, Worker, WorkerEndedError, WorkerTimeoutError, ask

__all__ = ["UserError", "Worker", "WorkerEndedError", "WorkerTimeoutError", "ask"]
