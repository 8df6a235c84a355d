"""What an estimator's docstring says about it, passage by passage."""

import inspect
import re

LABELS = ("forward", "backward", "Noise law", "Exact", "Cost", "Source")
_LABELLED = re.compile(rf"({'|'.join(LABELS)}): +(.+)")


def passages(cls: type) -> dict[str, str]:
    """The labelled passages of a class, one line each; what it leaves out, its bases say."""
    found: dict[str, str] = {}
    for base in reversed(cls.__mro__):
        found |= own_passages(base)
    return found


def own_passages(cls: type) -> dict[str, str]:
    """The labelled passages of a class's own docstring.

    A passage begins with its label at the start of a line, and ends before the next label or
    blank line.
    """
    found: dict[str, str] = {}
    label = ""
    for line in inspect.cleandoc(cls.__doc__ or "").splitlines():
        start = _LABELLED.match(line)
        if start:
            label, text = start.groups()
            found[label] = text
        elif not line:
            label = ""
        elif label:
            found[label] += f" {line.strip()}"
    return found


def summary(cls: type) -> str:
    """The first line of a class's docstring."""
    return inspect.cleandoc(cls.__doc__ or "").partition("\n")[0]


def first_sentence(text: str) -> str:
    """Up to the first full stop that ends a sentence, without it."""
    return re.split(r"\.(?:\s|$)", text, maxsplit=1)[0]


def short_source(source: str) -> str:
    """First author, year and arXiv link of the first work, as Markdown; "" if none is named."""
    work = re.match(r"(?P<author>[^,(;]+?)(?: et al\.)?[,(; ].*?\((?P<year>\d{4})\)", source)
    if work is None:
        return ""
    link = re.match(r"[^;]*?arXiv (\d{4}\.\d{4,5})", source)
    key = f"{work['author']} {work['year']}"
    return f"[{key}](https://arxiv.org/abs/{link[1]})" if link else key
