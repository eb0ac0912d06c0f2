"""The report: what models came to, beside each other, as a page, as Markdown and as JSON."""

from workers import UserError


class ReportError(UserError):
    """There is nothing to report on, or it cannot be read."""
