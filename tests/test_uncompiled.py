"""Optimizers without torch.compile, in a process of their own, where it is not loaded."""

import subprocess
import sys
import textwrap


def passes(code):
    """Whether `code` runs without an error."""
    head = """
        import sys
        import torch
        from bnrun.training.uncompiled import built, uncompiled, update
        weight = torch.ones(3, requires_grad=True)
        weight.grad = torch.ones(3)
        sgd = built(torch.optim.SGD, [weight])
        loaded = "torch._dynamo" in sys.modules
    """
    text = textwrap.dedent(head) + textwrap.dedent(code)
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, timeout=100)
    return done.returncode == 0, done.stderr


def test_a_step_is_that_of_the_optimizer_and_loads_no_compiler():
    ok, error = passes("""
        calls = []
        sgd.register_step_post_hook(lambda *_: calls.append(1))
        update(sgd)
        assert not loaded and "torch._dynamo" not in sys.modules
        assert torch.allclose(weight, torch.full((3,), 0.999)) and calls == [1]
        """)
    assert ok, error


def test_torch_compile_works_afterwards():
    ok, error = passes("""
        update(sgd)
        double = torch.compile(lambda x: 2 * x, backend="eager", fullgraph=True)
        assert double(weight).equal(2 * weight)
        update(sgd)
        sgd.add_param_group({"params": [torch.zeros(2, requires_grad=True)]})
        assert len(sgd.state_dict()["param_groups"]) == 2
        """)
    assert ok, error


def test_what_optimizers_do_not_use_comes_from_the_compiler_itself():
    ok, error = passes("""
        with uncompiled(torch.optim.SGD):
            import torch._dynamo
            from torch._dynamo import is_compiling
        assert not is_compiling() and hasattr(torch._dynamo, "optimize")
        """)
    assert ok, error


def test_an_optimizer_of_your_own_may_use_the_compiler():
    ok, error = passes("""
        class Own(torch.optim.Optimizer):
            def __init__(self, parameters):
                super().__init__(parameters, {})

            def step(self):
                import torch._dynamo
                assert torch._dynamo.is_compiling() is False
                for parameter in self.param_groups[0]["params"]:
                    parameter.data.zero_()

        update(built(Own, [weight]))
        assert not weight.any()
        """)
    assert ok, error
