"""Text that came from a user, made safe to print."""


def plain(text: object) -> str:
    r"""The text on one line; control characters, newlines among them, become escapes like \x1b.

    A name of a folder or a value of a config may contain anything, and a terminal acts on control
    characters. For rich, wrap it in rich.text.Text as well, because rich reads brackets and
    :smile: in a str as markup.
    """
    return "".join(c if c.isprintable() else _escaped(c) for c in str(text))


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
