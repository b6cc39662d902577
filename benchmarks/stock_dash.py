"""A page as Dash makes it out of the box: a heading and one chart of a thousand points. Usage: stock_dash.py PORT."""

import sys

import plotly.graph_objects as go
from dash import Dash, dcc, html

POINTS = 1000


def create() -> Dash:
    app = Dash("stock_dash")
    line = go.Scatter(x=list(range(POINTS)), y=[number % 60 for number in range(POINTS)])
    app.layout = html.Div([html.H1("One chart"), dcc.Graph(figure=go.Figure(line))])
    return app


if __name__ == "__main__":
    create().run(port=int(sys.argv[1]))
