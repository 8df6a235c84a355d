import pytest
import torch

torch.set_num_threads(1)


@pytest.fixture
def double():
    """Float64 for everything that the test builds."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)
