"""The README and the guides as their fenced blocks, and a page's examples as one script.

The word behind a fence's language says what a block is for:

- `sh` and `http` are run, in the order of the page; `sh no-test` is only read, `sh error` must fail.
- `json` is what the block before it answered; `json log`, a line of a log; `json filter`, a filter that the API takes.
- `python` is a module; with `plugins/NAME.py` behind it, it lies in the folder of plugins while the page is run.
"""

import json
import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = [
    "PAGES",
    "ROOT",
    "Block",
    "answers",
    "blocks_of",
    "commands_of",
    "differences",
    "last_json",
    "script_of",
    "story_of",
]

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]

_FENCE = re.compile(r"^```(?P<info>[^\n`]*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
_QUOTED_OR_END = re.compile(r"""'[^']*'|"(?:\\.|[^"\\])*"|(?<!\S)#[^\n]*|\n""")
_MARK = "\x1e"
_PRELUDE = """set -euo pipefail
curl() { command curl --silent --show-error --fail-with-body "$@"; }
"""


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block of a page.

    Attributes:
        page: The page's name.
        line: Of its opening fence, from 1.
        language: The first word behind the fence.
        use: The words after it.
        text: What stands between the fences.
    """

    page: str
    line: int
    language: str
    use: str
    text: str

    @property
    def is_run(self) -> bool:
        """Whether it is part of the page's script."""
        return self.language == "http" or (self.language == "sh" and self.use != "no-test")

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def blocks_of(page: Path) -> list[Block]:
    """The fenced blocks of a page, in its order."""
    source = page.read_text(encoding="utf-8")
    return [_block(page.name, source, found) for found in _FENCE.finditer(source)]


def story_of(page: Path) -> list[Block]:
    """What is run for a page: the README's first example, which every guide goes on from, and its own."""
    opening = next(block for block in blocks_of(PAGES[0]) if block.is_run)
    own = blocks_of(page)
    return own if page == PAGES[0] else [opening, *own]


def script_of(blocks: Sequence[Block]) -> str:
    """One script of all blocks that are run, for bash; it marks in its output where each begins.

    It wants `API`, the address of the API as far as `/api/v1`.
    """
    return _PRELUDE + "".join(
        f"printf '{_MARK}%s\\n' {number}\n{_code(block)}\n" for number, block in enumerate(blocks) if block.is_run
    )


def answers(output: str) -> dict[int, str]:
    """What each block of a script printed, by its number."""
    parts = (part.partition("\n") for part in output.split(_MARK)[1:])
    return {int(number): text for number, _, text in parts}


def commands_of(script: str) -> Iterator[list[str]]:
    """The commands of a script, each as its words, without assignments and pipes; those within `NAME=$(…)` too."""
    plain = re.sub(r'[A-Z]+="?\$\(', "; ", script.replace("\\\n", " "))
    lexer = shlex.shlex(_ended(plain), posix=True, punctuation_chars="|&;")
    lexer.whitespace_split, lexer.commenters = True, ""
    command: list[str] = []
    for word in lexer:
        if word and set(word) <= set("|&;"):
            yield from _without_assignments(command)
            command = []
        else:
            command.append(word)
    yield from _without_assignments(command)


def differences(shown: object, answered: object, place: str = "") -> list[str]:
    """Where an answer lacks what is shown of it, or is of another kind.

    Values may differ, either may be null, and an answer may have more.
    """
    if isinstance(shown, dict) and isinstance(answered, dict):
        missing = [f"{place}.{key} is not in the answer" for key in shown if key not in answered]
        return missing + [
            one for key in shown if key in answered for one in differences(shown[key], answered[key], f"{place}.{key}")
        ]
    if isinstance(shown, list) and isinstance(answered, list):
        if len(answered) < len(shown):
            return [f"{place} has {len(answered)} members, not {len(shown)}"]
        pairs = enumerate(zip(shown, answered, strict=False))
        return [one for number, (a, b) in pairs for one in differences(a, b, f"{place}[{number}]")]
    return (
        []
        if None in (shown, answered) or _kind(shown) == _kind(answered)
        else [f"{place} is {answered!r}, not as {shown!r}"]
    )


def last_json(text: str) -> Any:
    """The last JSON document of what a block printed.

    Raises:
        ValueError: There is none.
    """
    decoder, at, found = json.JSONDecoder(), 0, []
    while begin := re.compile(r"[{\[]").search(text, at):
        document, at = decoder.raw_decode(text, begin.start())
        found.append(document)
    if not found:
        raise ValueError(f"no JSON in {text!r}")
    return found[-1]


def _block(page: str, source: str, found: re.Match[str]) -> Block:
    language, _, use = found["info"].strip().partition(" ")
    return Block(page, source[: found.start()].count("\n") + 1, language, use, found["text"])


def _code(block: Block) -> str:
    if block.language == "http":
        return _request(block.text)
    if block.use == "error":
        return f"if (\n{block.text}); then echo 'this should have failed' >&2; exit 1; fi"
    return block.text


def _request(text: str) -> str:
    """A request as people write it down, for curl: its line, and a body under it."""
    line, _, body = text.partition("\n")
    method, address = line.split()
    curl = f'curl -X {method} "${{API%/api/v1}}{address}"'
    return f"{curl} --json @- <<'BODY'\n{body}BODY\n" if body else curl


def _without_assignments(command: list[str]) -> Iterator[list[str]]:
    words = list(command)
    while words and re.match(r"[A-Z_]+=", words[0]):
        words.pop(0)
    if words:
        yield words


def _ended(script: str) -> str:
    """The script without comments, with a `;` between lines, as far as they do not end within quotes."""
    return _QUOTED_OR_END.sub(lambda found: {"#": "", "\n": "\n; "}.get(found[0][0], found[0]), script)


def _kind(value: object) -> str:
    return "number" if isinstance(value, int | float) and not isinstance(value, bool) else type(value).__name__
