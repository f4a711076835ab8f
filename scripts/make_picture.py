"""Write data/demo.svg: what `autorec demo` prints on a terminal, from a real run."""

import io
import os
import pty
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.text import Text

WIDTH = 96  # columns
PICTURE = Path(__file__).resolve().parent.parent / "data" / "demo.svg"


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        output = on_terminal([sys.executable, "-m", "autorec", "demo"], folder)
    console = Console(record=True, width=WIDTH, file=io.StringIO())
    console.print(Text("$ autorec demo", style="bold"))
    console.print(Text.from_ansi(output))
    svg = console.export_svg(title="autorec demo")
    PICTURE.write_text("\n".join(line.rstrip() for line in svg.splitlines()) + "\n", encoding="utf-8")


def on_terminal(command: list[str], folder: str) -> str:
    """The standard output of a command that sees a terminal there."""
    ours, theirs = pty.openpty()
    environment = os.environ | {"COLUMNS": str(WIDTH), "TERM": "xterm-256color"}
    with subprocess.Popen(command, stdout=theirs, cwd=folder, env=environment) as process:
        os.close(theirs)
        parts = []
        while True:
            try:
                part = os.read(ours, 65536)
            except OSError:  # the other end is closed
                break
            if not part:
                break
            parts.append(part)
        if process.wait():
            raise SystemExit(f"{' '.join(command)} failed")
    return b"".join(parts).decode("utf-8").replace("\r\n", "\n")


if __name__ == "__main__":
    main()
