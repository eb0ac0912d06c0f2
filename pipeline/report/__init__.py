"""The report: what models came to, beside each other, as a page, as Markdown and as JSON."""
