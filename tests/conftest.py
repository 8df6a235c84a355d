import pytest
import torch

torch.set_num_threads(1)


@pytest.fixture
def double():
    """Float64 for everything that the test builds."""
    torch.set_default_dtype(torch.float64)


@pytest.fixture(autouse=True)
def _restored_dtype():
    """A training sets the default dtype for its process; the next test must not inherit it."""
    yield
    torch.set_default_dtype(torch.float32)
