"""A config from elsewhere builds nothing that Hydra's policy keeps it from."""

from pathlib import Path

import pytest
from hydra.utils import instantiate
from omegaconf import OmegaConf
from runs import bnrun

from bnrun.config.errors import UserError
from bnrun.config.paths import CONFIGS

RUN = ["trainer.steps=1", "seeds=1"]


@pytest.fixture
def victim(tmp_path: Path) -> Path:
    path = tmp_path / "victim"
    path.write_text("still here")
    return path


@pytest.mark.parametrize("group", ["neuron", "estimator", "model", "dataset", "scheduler"])
def test_a_target_that_would_harm_is_refused(group, victim, tmp_path):
    path = tmp_path / "theirs" / group / "evil.yaml"
    path.parent.mkdir(parents=True)
    path.write_text(f"_target_: os.remove\npath: {victim}\n")
    searched = f"hydra.searchpath=[file://{tmp_path / 'theirs'}]"
    with pytest.raises(UserError, match=r"blocklisted|not in the Hydra execution whitelist"):
        bnrun(tmp_path / "study", *RUN, searched, f"{group}=evil")
    assert victim.exists()


def test_what_is_refused_would_harm(victim, monkeypatch):
    monkeypatch.setenv("HYDRA_INSTANTIATE_ALLOWLIST_OVERRIDE", "os.remove")
    instantiate({"_target_": "os.remove", "path": str(victim)})
    assert not victim.exists()


@pytest.mark.parametrize("path", sorted((CONFIGS / "dataset").glob("*.yaml")), ids=lambda p: p.stem)
def test_every_download_goes_over_tls_and_is_checked(path):
    config = OmegaConf.to_container(OmegaConf.load(path))
    mirrors = config.get("mirrors", [])
    assert all(mirror.startswith("https://") for mirror in mirrors)
    if mirrors:
        for file in config["files"].values():
            assert len(file.get("sha256", "")) == 64 or len(file.get("md5", "")) == 32
