"""A problem: what the project's author can mend, with the way out."""


class Problem(Exception):
    """What was wrong, and what to do."""
