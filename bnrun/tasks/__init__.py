"""Tasks: outputs to loss per example and scores. One file per task."""
