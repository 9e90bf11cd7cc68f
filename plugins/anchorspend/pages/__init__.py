"""Pages: the review pages, a folder of plain files written from schema `marts` alone after every release.

A page module reads the marts and gives parts (`parts.Page`); `site` renders all of them and switches readers over.
Nothing is computed here.
"""

from anchorspend.pages.serve import serve
from anchorspend.pages.site import current, write

__all__ = ["current", "serve", "write"]
