"""The commands, a module a topic."""

import typer

from embedding_studio.cli import access, backup, bench, content, doctor, experiments, gate, running, simulating

__all__ = ["app"]

app = typer.Typer(
    help="A search engine that gets better from use.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
app.add_typer(running.commands)
app.add_typer(backup.commands)
app.add_typer(content.commands)
app.add_typer(doctor.commands, name="doctor")
app.add_typer(gate.commands, name="gate")
app.add_typer(experiments.commands, name="experiments")
app.add_typer(simulating.commands)
app.add_typer(access.commands)
app.add_typer(bench.commands, name="bench")
