"""`settings` and `simulator`: what is set, and the faults of the simulated plant."""

import click

from poller.demo_plant import gateway_number
from poller.faults import Fault, fault_by_word, set_fault
from settings import Settings, env_example, pusher_example


@click.command("settings")
@click.option("--example", is_flag=True, help="Print the text of .env.example: every setting, its help and default.")
@click.option("--pusher", is_flag=True, help="Print what clients and servers of the Pusher protocol need to know.")
@click.pass_obj
def show_settings(settings: Settings, example: bool, pusher: bool) -> None:
    """Print every setting with its help and default, or the credentials of the Pusher protocol."""
    if example == pusher:
        raise click.UsageError("say --example or --pusher")
    click.echo(env_example() if example else pusher_example(settings), nl=False)


@click.command("simulator")
@click.argument("name")
@click.argument("fault", type=click.Choice([fault.word for fault in Fault]))
@click.option("--argument", type=int, default=0, help="Unit, exception code or seconds, as the fault needs.")
@click.pass_obj
def simulator(settings: Settings, name: str, fault: str, argument: int) -> None:
    """Switch a fault of a simulated gateway on, or off with `none`: simulator Welding silent."""
    set_fault(settings.demo_port, gateway_number(name), fault_by_word(fault), argument)
    click.echo(f"{name}: {fault}")
