"""What was probably meant: one wording for every mistyped name. A leaf, like `errors`."""

from collections.abc import Iterable


def did_you_mean(wrong: str, known: Iterable[str]) -> str:
    """Return ` (did you mean "coupon"?)`, or the list of what is known, to be put behind the complaint."""
    import difflib

    names = sorted(known)
    close = difflib.get_close_matches(wrong, names, n=1, cutoff=0.6)
    if close:
        return f' (did you mean "{close[0]}"?)'
    return f" (known: {', '.join(names)})" if names else ""
