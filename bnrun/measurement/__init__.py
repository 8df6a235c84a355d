"""What a net does and how good its gradient estimates are, from outside."""
