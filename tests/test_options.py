"""Every option of every config group composes, builds and trains for two steps."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
from configured import built
from data_files import (
    amat,
    cifar_archive,
    files,
    sha256,
    tiny_bits,
    tiny_cifar,
    tiny_mnist,
    tiny_omniglot,
    write,
)
from scipy.io import savemat

from bnrun.config.paths import CONFIGS

GROUPS = ("neuron", "estimator", "dataset", "model", "optimizer", "scheduler", "trainer")
OPTIONS = [
    f"{group}={path.stem}" for group in GROUPS for path in sorted((CONFIGS / group).glob("*.yaml"))
]
# Other options that an option needs.
NEEDS = {
    "neuron=real": ["estimator=backprop"],
    "neuron=noisy_rectifier": ["estimator=backprop"],
    "neuron=noisy_sigmoid": ["estimator=backprop"],
    "neuron=rectifier": ["estimator=backprop"],
    "neuron=sts": ["estimator=backprop"],
    "estimator=backprop": ["neuron=real"],
    "estimator=vimco": ["task=vae", "model=vae", "task.objective=iwae"],
    "dataset=digits": [],
    "dataset=blank": ["task=toy", "model=bits"],
    "model=bits": ["task=toy", "dataset=blank"],
    "dataset=binarized_mnist": ["task=vae", "model=vae"],
    "model=vae": ["task=vae"],
    "model=gated": ["task=gated"],
    "model=autoencoder": ["task=autoencoder"],
    "model=module": ["model.target=nets.MLP"],
    # The gradient of a bias before a batch norm is zero, so affine.
    "model=generator_mlp": ["task=gan", "model.norm=affine", "optimizer=adam"],
    "model=generator_cnn": [
        *("task=gan", "model.norm=affine", "optimizer=adam"),
        "model.kernels=[2,3,3,2]",
        "model.strides=[1,2,1,1]",
    ],
}
SMALL = ["model.hidden=[4,3]", "seeds=[3,7]", "trainer.batch_size=5", "trainer.steps=2"]
SMALL_CNN = ["model.channels=[2,2]", "model.dense=4", *SMALL[1:]]
SMALL_VAE = ["model.latent=[4]", *SMALL]
# Options whose size is not that of an MLP.
SIZES = {
    "model=cnn": SMALL_CNN,
    "model=generator_cnn": ["model.channels=[3,2,2]", *SMALL[1:]],
    "model=bits": SMALL[1:],
    "model=module": SMALL[1:],
    "model=logic": ["model.gates=20", "model.depth=2", *SMALL[1:]],
    "model=resnet": ["model.width=2", *SMALL[1:]],
    "model=rnn": ["model.hidden=5", *SMALL[1:]],
    "model=autoencoder": ["model.width=2", "model.code=3", *SMALL[1:]],
    "model=gated": ["model.hidden=6", "model.gater=4", *SMALL[1:]],
    "dataset=blank": SMALL[1:],
    "dataset=binarized_mnist": SMALL_VAE,
    "estimator=vimco": SMALL_VAE,
    "model=vae": SMALL_VAE,
}


def data(name, folder):
    """Overrides that point the dataset `name` to tiny files in `folder`."""
    if name == "file":
        inputs = np.random.default_rng(0).random((40, 1, 28, 28), dtype=np.float32)
        np.savez(folder / "own.npz", train_inputs=inputs, train_targets=np.arange(40) % 4)
        return [f"dataset.path={folder / 'own.npz'}"]
    if name == "binarized_mnist":
        contents = {split: amat(bits) for split, bits in tiny_bits().items()}
        return written(folder, contents)
    if name == "cifar10":
        contents = {"archive": cifar_archive(tiny_cifar())}
        return [*written(folder, contents), "dataset.validation=5"]
    if name == "omniglot":
        savemat(folder / "chardata.mat", tiny_omniglot())
        content = (folder / "chardata.mat").read_bytes()
        known = hashlib.md5(content, usedforsecurity=False).hexdigest()
        return [
            f"dataset.root={folder}",
            "dataset.validation=50",
            f"dataset.files.characters.md5={known}",
        ]
    contents = tiny_mnist()
    write(folder, contents)
    sums = files(contents, "published" if name == "kmnist" else "content")
    return [
        f"dataset.root={folder}",
        "dataset.validation=10",
        *(f"dataset.files.{purpose}.name={entry['name']}" for purpose, entry in sums.items()),
        *(f"dataset.files.{purpose}.sha256={entry['sha256']}" for purpose, entry in sums.items()),
    ]


def written(folder, contents):
    """Write files with these contents to `folder`; the overrides that name them."""
    for purpose, content in contents.items():
        (folder / purpose).write_bytes(content)
    names = [f"dataset.files.{purpose}.name={purpose}" for purpose in contents]
    sums = [f"dataset.files.{purpose}.sha256={sha256(c)}" for purpose, c in contents.items()]
    return [f"dataset.root={folder}", *names, *sums]


@pytest.mark.parametrize("option", OPTIONS)
def test_every_option_trains_two_steps(option, tmp_path):
    words = [option, *NEEDS.get(option, [])]
    words += SIZES.get(option, SMALL)
    if option.startswith("dataset=") and option not in ("dataset=digits", "dataset=blank"):
        words += data(option.removeprefix("dataset="), tmp_path)
    training = built(words)
    training.rehearse()
    before = [weight.detach().clone() for weight in training.model.parameters()]
    records = list(training.run())
    assert records[-1].step == 2
    assert training.diverged_steps() == {}
    for old, new in zip(before, training.model.parameters(), strict=True):
        assert not old.equal(new)


@pytest.mark.parametrize("path", sorted(CONFIGS.rglob("*/*.yaml")), ids=lambda path: path.stem)
def test_a_yaml_starts_with_the_line_that_selects_it(path: Path):
    group = path.parent.relative_to(CONFIGS)
    text = path.read_text().removeprefix("# @package _global_\n")
    selected = f"recorder.also=[{path.stem}]" if group.name == "tracker" else f"{group}={path.stem}"
    assert text.startswith(f"# {selected}: ")
