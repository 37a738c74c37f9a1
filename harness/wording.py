"""Numbers and nouns in; how they are said, out."""


def counted(number: int, noun: str) -> str:
    """Return "1 trial" or "2 trials"."""
    return f"{number} {noun}{'' if number == 1 else 's'}"
