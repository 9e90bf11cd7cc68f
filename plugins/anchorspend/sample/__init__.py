"""The sample county: files as a county's institutions publish them, on real postcodes, with the truth beside them."""

from anchorspend.sample.county import write_county

__all__ = ["write_county"]
