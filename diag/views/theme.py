"""Colours, one meaning each, safe for the common kinds of colour blindness (Okabe & Ito 2008 and ColorBrewer)."""

from __future__ import annotations

RIGHT = "#0072B2"
WRONG = "#D55E00"
NEUTRAL = "#8A93A0"
LABEL = "#646B76"
FOR = (178, 24, 43)
AGAINST = (33, 102, 172)
# Models in charts with several; in this order.
MODELS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#8C6D1F", "#6A5ACD", "#444444", "#7FB800")
# One hue, light to dark: how much. Blue for shares, orange for errors.
SHARE = ("#F3F7FB", "#C6DBEF", "#6BAED6", "#2171B5", "#08306B")
ERRORS = ("#FDF6F0", "#FDD0A2", "#FD8D3C", "#D94801", "#7F2704")
SPLITS = {"train": NEUTRAL, "validation": RIGHT}
DASHES = {"train": [5, 4], "validation": [1, 0]}
# Which of two: against (orange), neither, for (blue); like WRONG and RIGHT.
DIVERGING = ("#B35806", "#F4F4F4", "#2166AC")
