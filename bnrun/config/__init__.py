"""What is known before torch is loaded: settings, run ids, budgets, paths, errors."""
