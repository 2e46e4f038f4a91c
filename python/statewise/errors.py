"""The error that statewise raises."""


class StatewiseError(ValueError):
    """An argument does not fit, or data cannot be explained; the message says what to do."""
