"""REBAR with a learned net in its control variate."""

from torch import Tensor

from bnrun.core.fields import PositiveFloat, PositiveInt, validated
from bnrun.core.noise import Noise
from bnrun.estimators.rebar import REBAR, Sample
from bnrun.estimators.tools.derivatives import value_and_derivative
from bnrun.estimators.tools.learner import Memory, replica_mean
from bnrun.estimators.tools.perceptron import fresh_perceptron, perceptron, train_perceptron
from bnrun.estimators.tools.relaxed_control import control


@validated
class RELAX(REBAR):
    """REBAR with a small net added to its control variate and trained to reduce the variance.

    forward:  the neuron's bits
    backward: f(b) * score - c(z~) * score + d/da c(z) - d/da c(z~), a the logit;
              c(z) = eta f(sigmoid(z / t)) + r(z), with z and z~ as in REBAR and r a net with one
              tanh layer, which starts at 0 (that is REBAR) and is trained by Adam on the mean
              square of the estimate; eta minimises the variance for the current r
    Exact: always, in expectation. In a net of several layers, only if the estimators of the later
    layers are unbiased too.
    Cost: 3 downstream evaluations, 2 if `coupled`, and a backward pass through the relaxed ones;
    one training step of the net.

    hidden  units of the net's hidden layer
    lr      learning rate of Adam for the net

    Source: Grathwohl, Choi, Wu, Roeder, Duvenaud, Backpropagation through the Void: Optimizing
    Control Variates for Black-Box Gradient Estimation (2018), arXiv 1711.00123.
    """

    hidden: PositiveInt = 50
    lr: PositiveFloat = 1e-3

    def fresh(self, logits: Tensor, noise: Noise) -> Memory:
        net = fresh_perceptron(logits, self.hidden, noise, "control variate")
        return super().fresh(logits, noise) | net

    def estimate(self, memory: Memory, sample: Sample) -> Tensor:
        return super().estimate(memory, sample) - self._net_control(memory, sample)

    def learned(self, memory: Memory, sample: Sample) -> Memory:
        def mean_square(memory: Memory) -> Tensor:
            return replica_mean(self.estimate(memory, sample).square().sum(-1, keepdim=True))

        rest = sample.reinforce - self._net_control(memory, sample)
        averages = self.averages(memory, rest, sample.relaxed)
        return train_perceptron(memory, mean_square, self.lr) | averages

    def _net_control(self, memory: Memory, sample: Sample) -> Tensor:
        """The control variate from r, [*S, R, B, U]; differentiable by the net's weights."""
        values, slopes = value_and_derivative(
            lambda z: perceptron(memory, z), sample.latents.points.detach(), create_graph=True
        )
        return control(values, slopes, sample.latents, sample.score)
