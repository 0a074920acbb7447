"""Work-arounds and helpers that know nothing of models or data."""
