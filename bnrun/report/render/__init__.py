"""The report as text, tables, figures, HTML and LaTeX."""
