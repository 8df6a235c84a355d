"""Models: one file per net, each a subclass of `bnrun.models.base.Model`."""
