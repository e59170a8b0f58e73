"""`python -m cartctl` is `cartctl`."""

from cartctl.cli import main

if __name__ == "__main__":
    main()
