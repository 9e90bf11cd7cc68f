"""Read: a landed file becomes typed lines and quarantined ones.

`tables` tells what a file is and opens it as rows of cells: `delimited`, `workbook`, `records` (JSON), each perhaps in
an `archive` (zip). `header` finds the columns, `values` types a cell, `damage` tells what a spreadsheet did to cells,
`lines` puts it all together under a layout. Nothing here drops a line, classifies it or looks at another file.
"""

from anchorspend.read.lines import Finding, Held, Part, Problem, Reading, read

__all__ = ["Finding", "Held", "Part", "Problem", "Reading", "read"]
