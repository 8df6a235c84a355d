"""`bnrun --cfg hydra --resolve`, which Hydra itself cannot print."""

from collections.abc import Sequence

from omegaconf import OmegaConf, open_dict

from bnrun.config.compose import composed


def resolved_hydra(words: Sequence[str]) -> str | None:
    """The resolved `hydra` node, or the part of it for --package; None if it is not asked for.

    Hydra resolves this node apart from the rest of the config, which it refers to.
    """
    if "--resolve" not in words:
        return None
    from hydra._internal.utils import get_args_parser

    args = get_args_parser().parse_args(list(words))
    if args.cfg != "hydra":
        return None
    config = composed(args.overrides, args.config_dir, hydra_node=True)
    with open_dict(config.hydra):
        for key in ("help", "hydra_help"):
            config.hydra.pop(key)
    path = args.package or "hydra"
    node = OmegaConf.select(config, path)
    values = OmegaConf.to_container(node, resolve=True, throw_on_missing=False)
    return OmegaConf.to_yaml({"hydra": values} if path == "hydra" else values)
