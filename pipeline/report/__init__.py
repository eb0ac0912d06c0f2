"""The report: what models came to, beside each other, as a page, as Markdown and as JSON."""


class ReportError(Exception):
    """There is nothing to report on, or it cannot be read; the message is one sentence with the next step."""
