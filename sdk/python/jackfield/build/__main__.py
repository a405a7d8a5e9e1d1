"""`python -m jackfield.build`, which is also the command `jackfield-build`."""

from .command import main

if __name__ == "__main__":
    raise SystemExit(main())
