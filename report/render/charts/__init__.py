"""Charts of the page, as Vega-Lite specifications made with Altair; a module per section."""
