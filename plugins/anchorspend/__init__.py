"""Anchorspend: what the anchor institutions of a county spend, with whom, and how much of it stays local."""
