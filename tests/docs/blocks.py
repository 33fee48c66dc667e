"""Fenced blocks of the docs, and what is said above them about who runs them.

    <!-- run: here -->            in the unit lane, with the built programs on the PATH
    <!-- run: api -->             in the unit lane, with kubectl and helm on an API server that has the CRD and nothing else
    <!-- run: first-hour -->      on the real cluster, by e2e/tests/first_hour_test.py
    <!-- not run: REASON -->      by nobody, for a reason
"""
import dataclasses
import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parents[2]
RUNNERS = ("here", "api", "first-hour")
COMMAND = re.compile(r"(?:\$ )?(?:sudo )?(?:kubectl|helm|make|docker|flux|argocd|curl|grpcurl|python3|pip|deepseek-agent|deepseek-operator|kubectl-deepseek"
                     r"|(?:scripts|e2e|bench|build|tests)/\S+)(?: (?!/)|$)")


@dataclasses.dataclass
class Block:
    page: pathlib.Path
    line: int
    language: str
    text: str
    marker: str  # the text of the comment right above; "" without one

    @property
    def where(self):
        return f"{self.page.relative_to(ROOT)}:{self.line}"

    @property
    def runner(self):
        found = re.fullmatch(r"run: (.+)", self.marker)
        return found.group(1) if found else None

    @property
    def reason(self):
        found = re.fullmatch(r"not run: (.+)", self.marker)
        return found.group(1) if found else None

    def commands(self):
        return [line for line in self.text.splitlines() if COMMAND.match(line.strip())]


def pages():
    return [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "charts").rglob("README.md")), *sorted((ROOT / "docs").rglob("*.md"))]


def blocks(page):
    """The fenced blocks of a page, in order; their common indentation is taken off."""
    found, marker, fence = [], "", None
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), 1):
        opened = re.match(r"^( *)(```+|~~~+)(\w*)", line)
        if fence:
            if opened and opened.group(2) == fence.group(2) and not opened.group(3):
                fence = None
            else:
                found[-1].text += line.removeprefix(fence.group(1)) + "\n"
        elif opened:
            fence = opened
            found.append(Block(page, number, opened.group(3), "", marker))
        comment = re.fullmatch(r" *<!-- (.*) -->", line)
        marker = comment.group(1) if comment and not fence else ""
    return found


def indented_commands(page):
    """Lines of commands in blocks that are indented rather than fenced: nobody can say who runs those."""
    found, fenced = [], False
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), 1):
        if re.match(r"^ *(```|~~~)", line):
            fenced = not fenced
        elif not fenced and re.match(r"^ {4,}", line) and COMMAND.match(line.strip()):
            found.append(f"{page.relative_to(ROOT)}:{number}: {line.strip()}")
    return found
