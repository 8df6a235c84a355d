import pytest
import torch

torch.set_num_threads(1)


@pytest.fixture
def double():
    """Float64 for everything that the test builds."""
    torch.set_default_dtype(torch.float64)


@pytest.fixture(autouse=True)
def _restored_settings():
    """A training sets these for its process; the next test must not inherit them."""
    yield
    torch.set_default_dtype(torch.float32)
    torch.set_flush_denormal(False)
