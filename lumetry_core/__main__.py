"""`python -m lumetry_core` is the command `lumetry`."""

from lumetry_core.cli import main

if __name__ == "__main__":
    main()
