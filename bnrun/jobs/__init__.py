"""From one config to one finished job, and from a sweep to all of its jobs."""
