"""Read: a landed file becomes typed lines and quarantined ones.

`tables` opens a file as rows of cells, `values` types a cell, `lines` puts both together under a layout. Nothing here
drops a line, classifies it or looks at another file.
"""

from anchorspend.read.lines import Held, Part, Problem, Reading, read

__all__ = ["Held", "Part", "Problem", "Reading", "read"]
