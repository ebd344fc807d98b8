"""`python -m service.cli`. Worker processes do not run a `__main__` module again, so they start quicker."""

from service.cli import main

if __name__ == "__main__":
    main()
