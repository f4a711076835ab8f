"""Runs `autorec demo` on a pseudo-terminal and draws what it prints as data/demo.svg."""

import os
import pty
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.text import Text

WIDTH = 88
PICTURE = Path(__file__).parent.parent / "data" / "demo.svg"


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        output = printed([sys.executable, "-m", "autorec", "demo"], folder)
    console = Console(record=True, width=WIDTH, file=open(os.devnull, "w", encoding="utf-8"))  # noqa: PTH123, SIM115
    console.print(Text.from_ansi(f"$ scripts/demo\n{output}"))
    svg = console.export_svg(title="scripts/demo", unique_id="demo")
    svg = re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL)  # no fonts from elsewhere
    PICTURE.write_text("\n".join(line.rstrip() for line in svg.splitlines()) + "\n", encoding="utf-8")
    print(f"Wrote {PICTURE}.")


def printed(command: list[str], folder: str) -> str:
    """What a command writes to a terminal of WIDTH columns; what it writes to stderr is left out."""
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": str(WIDTH)}
    process = subprocess.Popen(command, stdout=theirs, stderr=subprocess.DEVNULL, cwd=folder, env=environment)
    os.close(theirs)
    chunks = []
    try:
        while chunk := os.read(ours, 65536):
            chunks.append(chunk)
    except OSError:  # how a terminal ends on Linux
        pass
    os.close(ours)
    if process.wait():
        raise SystemExit(f"{' '.join(command)} failed; run it to see why")
    return b"".join(chunks).decode().replace("\r\n", "\n")


if __name__ == "__main__":
    main()
