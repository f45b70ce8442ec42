"""The places in the README of the template that figures of the lab are written into."""

import re
from pathlib import Path

README = Path(__file__).resolve().parents[1] / "README.md"


def filled(text: str, place: str, content: str) -> str:
    """Return the README with other content between `<!-- PLACE -->` and `<!-- /PLACE -->`."""
    between = rf"(?<=<!-- {place} -->\n).*?(?=<!-- /{place} -->)"
    return re.sub(between, lambda _: content, text, flags=re.DOTALL)
