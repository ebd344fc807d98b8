"""Sources: one file each. Nothing here knows where rows go."""
