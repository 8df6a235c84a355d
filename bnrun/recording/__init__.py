"""What a run leaves behind: records, curves, metrics file, result."""
