"""What the bodies of each provider mean: pure functions from parsed JSON to transitions (contract lumetry 13.4)."""
