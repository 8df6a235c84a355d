"""Data: one file per source, each returning tensors and saying what they are."""
