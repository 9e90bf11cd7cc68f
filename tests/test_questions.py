"""The questions of docs/questions.md: each query answers, as readers ask it."""

import re

from anchorspend import settings

PAGE = settings.home() / "docs" / "questions.md"


def questions() -> list[tuple[str, str]]:
    """Each question of the page with its query."""
    return re.findall(r"^## (.+?)\n.*?```sql\n(.+?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
