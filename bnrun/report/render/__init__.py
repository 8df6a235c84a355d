"""The report in the terminal, as Markdown, HTML, CSV, LaTeX, figures and TensorBoard runs."""
