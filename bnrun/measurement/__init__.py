"""How the units of a net behave and how good its gradient estimates are."""
