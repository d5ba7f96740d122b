import pytest
import torch


@pytest.fixture(autouse=True)
def _one_thread():
    """Compute with one thread, as the worker processes do; results depend on the number of threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
