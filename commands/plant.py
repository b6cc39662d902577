"""`settings` and `simulator`: what is set, and the faults of the simulated plant."""

import click

from poller.demo_plant import gateway_number
from poller.faults import Fault, fault_by_word, set_fault
from settings import Settings, env_example


@click.command("settings")
@click.option("--example", is_flag=True, required=True, help="Print the text of .env.example.")
def show_settings(example: bool) -> None:
    """Print every setting with its help and default."""
    click.echo(env_example(), nl=False)


@click.command("simulator")
@click.argument("name")
@click.argument("fault", type=click.Choice([fault.word for fault in Fault]))
@click.option("--argument", type=int, default=0, help="Unit, exception code or seconds, as the fault needs.")
@click.pass_obj
def simulator(settings: Settings, name: str, fault: str, argument: int) -> None:
    """Switch a fault of a simulated gateway on, or off with `none`: simulator Welding silent."""
    set_fault(settings.demo_port, gateway_number(name), fault_by_word(fault), argument)
    click.echo(f"{name}: {fault}")
