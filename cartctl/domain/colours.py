"""Which text can be read on a colour."""


def text_on(colour: str) -> str:
    """Return black or white, whichever stands out more on `#rrggbb`.

    The better of the two always has a contrast of 4.58 or more; WCAG 2.2 AA asks for 4.5 (success criterion 1.4.3).
    """
    luminance = _luminance(colour)
    return "#000000" if (luminance + 0.05) / 0.05 >= 1.05 / (luminance + 0.05) else "#ffffff"


def standing_out(colour: str, background: str, ratio: float) -> str:
    """Return the colour, brought so far towards black or white that its contrast with `background` is the ratio.

    A shop's own colour is kept where it can be. `ratio`: 4.58 at most, which no background keeps both from reaching.
    """
    away = text_on(background)
    shades = (_mixed(colour, away, share / 20) for share in range(21))
    return next(shade for shade in shades if contrast(shade, background) >= ratio)


def contrast(one: str, other: str) -> float:
    """Return the contrast ratio of two colours, from 1 to 21, as WCAG 2.2 defines it."""
    darker, lighter = sorted((_luminance(one), _luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def _mixed(colour: str, other: str, share: float) -> str:
    """Return a colour with a share (0 to 1) of another."""
    pairs = [(int(colour[place : place + 2], 16), int(other[place : place + 2], 16)) for place in (1, 3, 5)]
    return "#" + "".join(f"{round(one + (two - one) * share):02x}" for one, two in pairs)


def _luminance(colour: str) -> float:
    red, green, blue = (_linear(int(colour[place : place + 2], 16) / 255) for place in (1, 3, 5))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _linear(channel: float) -> float:
    return channel / 12.92 if channel <= 0.04045 else float(((channel + 0.055) / 1.055) ** 2.4)
