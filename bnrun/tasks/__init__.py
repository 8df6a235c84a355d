"""Tasks: one file per task, each a subclass of `bnrun.tasks.base.Task`."""
