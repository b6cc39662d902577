/* What Dash's callbacks of the overview hand over. */
window.dash_clientside = window.dash_clientside || {};
window.dash_clientside.overview = {
  /* The values that the server computes: for the tiles, and what it knows better for the cards. */
  takeOver(facts) {
    if (!facts) return;
    monitor.tiles.takeOver(facts.tiles);
    monitor.cards.takeOver(facts.gateways);
  },
};
