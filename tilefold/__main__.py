"""`python -m tilefold`: the command, where it is started by an interpreter and not by its name."""

from tilefold.cli import main

if __name__ == "__main__":
    main()
