"""The commands beside serving: people, gateways, templates, values and the simulated plant."""
