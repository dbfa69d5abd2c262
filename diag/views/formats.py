"""How numbers are written: shares in per cent, differences in points with a sign, small p-values as a bound."""

from __future__ import annotations


def percent(value: float, digits: int = 1) -> str:
    """Return a share 0..1 in per cent."""
    return "–" if value != value else f"{value * 100:.{digits}f}%"


def probability(value: float, digits: int = 1) -> str:
    """Return a probability in per cent: 0 and 100 only where it is exactly that, else a bound.

    Examples
    --------
    >>> probability(0.999838), probability(1.0), probability(0.0002), probability(0.999, digits=0)
    ('>99.9%', '100.0%', '<0.1%', '>99%')
    """
    text, step = percent(value, digits), 10.0**-digits
    if value < 1 and text == percent(1, digits):
        return f">{100 - step:.{digits}f}%"
    return f"<{step:.{digits}f}%" if value > 0 and text == percent(0, digits) else text


def decimal(value: float, digits: int = 3) -> str:
    """Return a number without a unit."""
    return "–" if value != value else f"{value:,.{digits}f}"


def signed(value: float, digits: int = 3) -> str:
    """Return a difference without a unit, with its sign."""
    return _with_sign(value, digits)


def points(value: float, digits: int = 1) -> str:
    """Return a difference of shares in percentage points, with its sign."""
    return _with_sign(value * 100, digits)


def p_value(value: float) -> str:
    """Return a p-value; one too small for four digits as a bound."""
    return "–" if value != value else "< 0.0001" if value < 1e-4 else f"{value:.4f}"


def file_size(value: float) -> str:
    """Return a number of bytes in kB or MB."""
    return f"{value / 1e6:.1f} MB" if value >= 1e6 else f"{value / 1e3:.0f} kB"


def _with_sign(value: float, digits: int) -> str:
    if value != value:
        return "–"
    text = f"{abs(value):,.{digits}f}"
    return text if float(text.replace(",", "")) == 0 else ("−" if value < 0 else "+") + text


FORMATS = {"percent": percent, "decimal": decimal, "filesize": file_size, "p_value": p_value, "points": points}
"""As the report's templates name them."""
