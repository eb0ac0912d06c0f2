"""The report: models side by side, as an HTML page, Markdown and JSON."""

from workers import UserError


class ReportError(UserError):
    """There is nothing to report on, or its files cannot be read."""
