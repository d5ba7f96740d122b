"""A second executor, in a module of its own so that spawned processes can import it."""

import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor

_worker = None


def _keep(worker):
    global _worker
    _worker = worker


def _execute(task):
    return os.getpid(), *_worker.execute([task])


class InProcesses:
    """Every task in one of two processes, each of which loads the models itself."""

    def __init__(self):
        self.processes = set()

    def execute(self, tasks, worker):
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(2, context, initializer=_keep, initargs=(worker,)) as pool:
            for process, done in pool.map(_execute, tasks):
                self.processes.add(process)
                yield done
