"""Pence as text, in every way the bodies write pounds."""

from collections.abc import Callable, Iterable, Mapping


def pounds(pence: int) -> str:
    """`-1234.56`: a leading minus, no thousands separator."""
    return f"{'-' if pence < 0 else ''}{abs(pence) // 100}.{abs(pence) % 100:02}"


def _commas(pence: int) -> str:
    return f"{'-' if pence < 0 else ''}{abs(pence) // 100:,}.{abs(pence) % 100:02}"


def _sign(pence: int) -> str:
    """`£1,234.56`; credit notes are written `(£12.00)` or `-£12.00`, as two clerks do."""
    amount = f"£{_commas(abs(pence))}"
    if pence >= 0:
        return amount
    return f"({amount})" if pence % 2 else f"-{amount}"


def _trailing_minus(pence: int) -> str:
    return f"{pounds(abs(pence))}{'-' if pence < 0 else ''}"


def _payments_negative(pence: int) -> str:
    return pounds(-pence)


def _credit(pence: int) -> str:
    """`12.00 CR` for what a card is paid back."""
    return f"{pounds(abs(pence))}{' CR' if pence < 0 else ''}"


def _number(pence: int) -> float:
    return pence / 100


_STYLES: Mapping[str, Callable[[int], str | float]] = {
    "plain": pounds,
    "commas": _commas,
    "pounds": _sign,
    "trailing_minus": _trailing_minus,
    "payments_negative": _payments_negative,
    "credit": _credit,
    "number": _number,
}


def write_money(style: str, amounts: Iterable[int]) -> list[str | float]:
    """Amounts in pence, written in one of the styles of `tables.Layout.money`."""
    return [_STYLES[style](pence) for pence in amounts]
