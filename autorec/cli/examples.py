"""Two examples of each verb, shown below its help; `{models}` and `{data_sets}` stand for the names that there are."""

import textwrap

import click

EXAMPLES = {
    "demo": ("autorec demo", "autorec demo -o results"),
    "fetch": ("autorec fetch ml-100k", "autorec fetch ml-1m -o data/ml-1m"),
    "inspect": ("autorec inspect ratings.csv", "autorec inspect r.csv --columns user=who,item=what,rating=stars"),
    "split": ("autorec split ratings.csv --by random:0.1 -o parts", "autorec split ratings.csv --by time:0.2 -o parts"),
    "prepare": ("autorec prepare ratings.csv -o store", "autorec prepare logs.csv.gz --memory 16GB -o store"),
    "plan": (
        "autorec plan --users 1e6 --items 1e5 --ratings 1e8",
        "autorec plan --users 100e6 --items 10e6 --ratings 10e9 --orientation user --workers 8",
    ),
    "train": (
        "autorec train ratings.csv -m i-autorec -o model",
        "autorec train today.csv --from model -o model",
    ),
    "predict": ("autorec predict model pairs.csv", "autorec predict model pairs.csv -o ratings.parquet"),
    "recommend": (
        "autorec recommend model --user 42 --user 7",
        "autorec recommend model --all -n 20 -o lists.csv",
    ),
    "evaluate": (
        "autorec evaluate model test.csv",
        "autorec evaluate model test.csv -k 5 --interval 0.9 -o report.html",
    ),
    "compare": (
        "autorec compare ratings.csv -m i-autorec -m ease -o report.html",
        "autorec compare ml-100k -m u-autorec --by folds:5 --baselines simple",
    ),
    "tune": (
        "autorec tune ratings.csv -m ease -o ease.json",
        "autorec tune ratings.csv -m i-autorec --trials 50 --storage trials.db -o best.json",
    ),
    "models": ("autorec models --all", "autorec models mult-vae ease"),
    "describe": ("autorec describe model", "autorec describe model --json"),
    "forget": (
        "autorec forget model --user 42 --certificate removed.json",
        "autorec forget model --user 42 --user 7 -o new-model",
    ),
    "similar": ("autorec similar model --item 50", "autorec similar model --item 50 --item 181 -n 5"),
    "embed": ("autorec embed model -o items.parquet", "autorec embed model --of users -o users.npy"),
    "cluster": ("autorec cluster model -k 6", "autorec cluster model --of items -o segments.csv"),
    "map": ("autorec map model -o map.html", "autorec map model --of users --by tsne -o users.html"),
    "anomalies": ("autorec anomalies model", "autorec anomalies model --of ratings -n 50"),
    "explain": ("autorec explain model --user 42", "autorec explain model --user 42 --item 50 -o why.csv"),
    "what-if": (
        "autorec what-if model --user 42 --remove 50 --add 181=5",
        "autorec what-if model --user 42 --overturn 3",
    ),
    "interview": ("autorec interview model", "autorec interview model --new-user answers.csv -n 3"),
    "export": ("autorec export model -o model.onnx", "autorec export model -o for-numpy"),
    "serve": ("autorec serve model", "autorec serve model --host 0.0.0.0 --port 80 --workers 4"),
    "generate": ("autorec generate model -o made.csv", "autorec generate model -n 500 --test test.csv -o made.csv"),
    "classify": (
        "autorec classify model --labels u.user --column 3",
        "autorec classify model --of items --labels genres.csv -o others.csv",
    ),
    "warmup": ("autorec warmup", "autorec warmup --quiet"),
    "reproduce": ("autorec reproduce datasets --only table", "autorec reproduce datasets --only strong"),
}


class WithExamples(click.Command):
    """A verb whose help ends in its examples, and in the names of models, data sets or jobs where it takes one."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Examples"):
            for example in EXAMPLES[self.name or ""]:
                formatter.write(f"{'':>{formatter.current_indent}}{example}\n")
        for heading, names in self._names():
            with formatter.section(heading):
                wrapped = textwrap.wrap(", ".join(names), formatter.width - 4, break_on_hyphens=False)
                for line in wrapped:
                    formatter.write(f"{'':>{formatter.current_indent}}{line}\n")

    def _names(self) -> list[tuple[str, list[str]]]:
        import autorec

        if self.name == "fetch":
            return [("Data sets", list(autorec.DATA_SETS))]
        if self.name == "reproduce":
            return [("Jobs", list(autorec.JOBS))]
        takes_model = any(param.type.name == "model" for param in self.params)
        return [("Models", list(autorec.MODELS))] if takes_model else []
