"""Numbers in sentences, and sentences of others."""


def counted(number: int, noun: str, many: str | None = None) -> str:
    """`1 subnet`, `2 subnets`; `many` where that is not the noun with an s."""
    return f"{number} {noun if number == 1 else many or noun + 's'}"


def percent(share: float) -> str:
    """Two digits, or more where they stand before the point: 0.034 -> `3.4 %`, 6.6 -> `660 %`."""
    return f"{share * 100:.0f} %" if share >= 0.1 else f"{share * 100:.2g} %"


def one_line(error: BaseException | str) -> str:
    """The first 300 characters of an engine's message, on one line; it may quote names that a stranger wrote."""
    message = " ".join(str(error).split())[:300]
    return "".join(letter if letter.isprintable() else "?" for letter in message)
