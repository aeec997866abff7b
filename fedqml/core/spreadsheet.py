"""Texts from elsewhere in CSV files: a spreadsheet would run one that looks like a formula."""

_MARK = "'"
_FORMULAS = ("=", "+", "-", "@", "\t", "\r", "\n", _MARK)


def harmless(text: str) -> str:
    """Return a text that no spreadsheet takes for a formula; ``original`` undoes it.

    Example:
        >>> harmless("=HYPERLINK(1)"), harmless("cat.7.jpg"), harmless("'quoted'")
        ("'=HYPERLINK(1)", 'cat.7.jpg', "''quoted'")

    Source: OWASP, "CSV Injection".
    """
    # Spreadsheets skip blanks in front of a formula.
    return _MARK + text if text.lstrip(" ").startswith(_FORMULAS) else text


def original(text: str) -> str:
    """Return the text that ``harmless`` was given.

    Example:
        >>> [original(harmless(text)) for text in ("=1", "'1", "cat")]
        ['=1', "'1", 'cat']
    """
    return text.removeprefix(_MARK)
