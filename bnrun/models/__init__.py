"""Models: chains of stages with binary layers between them, and a head. One file per kind."""
