"""Numbers in sentences."""


def counted(number: int, noun: str) -> str:
    """`1 subnet`, `2 subnets`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
