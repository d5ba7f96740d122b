"""Import every module of the suite: Python compiles them and what they import once, for all processes."""

import importlib
import pkgutil
from contextlib import suppress

import fesbench

for module in pkgutil.walk_packages(fesbench.__path__, "fesbench."):
    with suppress(ImportError):  # of an extra
        importlib.import_module(module.name)
for name in ("lightning_fabric", "torch.distributed.run", "pytest", "tensorboard.compat.proto"):
    importlib.import_module(name)
