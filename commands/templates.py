"""`templates` and `template ...`: the device models known, and register maps as CSV."""

from pathlib import Path

import click

from models.device_template import BadTemplate, template, templates
from models.register_map import export_csv, import_csv, to_yaml
from settings import Settings


@click.command("templates")
def list_templates() -> None:
    """List the device templates with the status of their register maps: V vendor document, C code, U unverified."""
    for one in templates().values():
        click.echo(f"{one.key:26} {one.status}  {one.maker} {one.model}, {len(one.points)} points")
        for name, variant in one.variants.items():
            click.echo(f"{'':26}    {one.key}/{name}: {variant.model}")


@click.group("template")
def template_group() -> None:
    """Register maps as CSV, to read, to check and to make device templates of your own."""


@template_group.command("export")
@click.argument("key")
def export(key: str) -> None:
    """Print a device template as CSV: template export eastron-sdm630 > sdm630.csv."""
    click.echo(export_csv(template(key)), nl=False)


@template_group.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--key", help="Key of the new template; the name of the file without it.")
@click.option("--replace", is_flag=True, help="Replace a template of yours with that key.")
@click.pass_obj
def import_map(settings: Settings, file: Path, key: str | None, replace: bool) -> None:
    """Make a device template of a CSV register map, in the folder MONITOR_TEMPLATES_FOLDER.

    Nothing is written when a line of it can't be; every complaint names its line.
    """
    if settings.templates_folder is None:
        raise BadTemplate("MONITOR_TEMPLATES_FOLDER is not set; name the folder of your own templates there")
    settings.templates_folder.mkdir(parents=True, exist_ok=True)
    made = import_csv(_text(file), key or file.stem, file.name)
    target = settings.templates_folder / f"{made.key}.yaml"
    if target.exists() and not replace:
        raise BadTemplate(f"{target} exists; give another --key, or --replace")
    target.write_text(to_yaml(made), encoding="utf-8")
    click.echo(f"{target}: {made.maker} {made.model}, {len(made.points)} points; in use after the next start.")


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadTemplate(f"{file.name}: is not UTF-8 (byte {error.start}); save it as CSV UTF-8") from error
