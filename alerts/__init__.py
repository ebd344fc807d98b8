"""Rules, their state, and how people hear of them."""
