"""Whether the licences of all pinned packages go together with Apache-2.0, by the metadata of what is installed."""

import re
import sys
from collections.abc import Iterator, Mapping
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path

__all__ = ["main", "wrong"]

ALLOWED = frozenset(
    {
        "0BSD",
        "Apache-2.0",
        "BSD-2-Clause",
        "BSD-3-Clause",
        "BSL-1.0",
        "CC0-1.0",
        "CNRI-Python",
        "ISC",
        "LLVM-exception",
        "MIT",
        "MIT-0",
        "MIT-CMU",
        "MPL-2.0",  # asks for the source of its own files alone
        "PSF-2.0",
        "Unlicense",
        "Zlib",
    }
)

ACCEPTED: Mapping[str, str] = {
    "dramatiq": "LGPL-3.0-or-later: imported as it comes, unchanged and replaceable",
}
"""Packages of other licences, each with the reason why it may be among ours."""

_SPELT: Mapping[str, str] = {
    "3-Clause BSD License": "BSD-3-Clause",
    "Apache 2.0 License": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD-3-Clause",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
}
_CLASSIFIER = "License :: OSI Approved :: "
_JOINT = re.compile(r"\s+(?:AND|OR|WITH)\s+|[()]")


def main() -> int:
    """Print what is wrong; 1 if anything is."""
    found = list(wrong(Path(sys.argv[1])))
    sys.stdout.write("\n".join(found or ["all pins may be used with Apache-2.0"]) + "\n")
    return 1 if found else 0


def wrong(pins: Path) -> Iterator[str]:
    """Each pin that is not installed, says no licence, or has one that is not allowed."""
    for line in pins.read_text(encoding="utf-8").splitlines():
        name = line.partition("#")[0].partition("==")[0].strip()
        if not name or name in ACCEPTED:
            continue
        try:
            licences = _licences(name)
        except PackageNotFoundError:
            yield f"{name}: is not installed, so its licence is not known"
            continue
        if not licences or licences - ALLOWED:
            yield f"{name}: {', '.join(sorted(licences)) or 'says no licence'}"


def _licences(name: str) -> set[str]:
    """SPDX identifiers; of the expression if there is one, else of the classifiers, else of the free text."""
    told = metadata(name)
    spelt = {_SPELT.get(one.removeprefix(_CLASSIFIER)) for one in told.get_all("Classifier", [])} - {None}
    free = [_SPELT.get(one, one) for one in (text.strip().partition("\n")[0] for text in told.get_all("License", []))]
    expressions = told.get_all("License-Expression", []) or spelt or free
    return {one for expression in expressions for one in _JOINT.split(str(expression)) if one}


if __name__ == "__main__":
    sys.exit(main())
