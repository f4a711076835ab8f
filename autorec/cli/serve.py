"""autorec serve: a model answers over HTTP."""

import click

import autorec
from autorec.cli.output import write_json
from autorec.cli.paths import Input
from autorec.cli.verb import say, verb


@verb
@click.argument("model", type=Input())
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on; 0.0.0.0 for all.")
@click.option("--port", type=click.IntRange(0, 65535), default=8000, show_default=True, help="0 for any free one.")
@click.option("--workers", type=click.IntRange(min=1), default=1, show_default=True, help="Processes that answer.")
def serve(model: str, host: str, port: int, workers: int, as_json: bool) -> None:
    """Answer requests by MODEL until SIGTERM or Ctrl-C.

    A page to try it at /, the paths and their arguments at /docs, numbers for Prometheus at /metrics. A model folder
    that is replaced is swapped in. Needs the extra `serve`. With AUTOREC_API_KEY in the environment requests have to
    bring that key as the header X-API-Key.
    """

    def on_start(url: str) -> None:
        say(f"Serving {model} at {url}.")
        if as_json:
            write_json({"model": model, "url": url, "workers": workers})

    autorec.run_server(model, host, port, workers, on_start)
