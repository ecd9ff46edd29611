"""Release of the starter bundle: training sets, fusion, figures, card."""
