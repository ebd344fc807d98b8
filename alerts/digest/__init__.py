"""What managers read in the morning: gathered, put into words, drawn, and sent once a local date."""
