"""Names that people judged, linked to registers built from their judgement."""

from pathlib import Path

import psycopg
from anchorspend.resolve import evaluate


def test_judged_names_find_their_register_numbers_and_the_registers_are_left_as_they_were(
    connection: psycopg.Connection, real_files: Path
) -> None:
    connection.execute(
        "insert into raw.company (batch_id, line_no, source_row, company_number, company_name)"
        " values (1, 1, 1, '01234567', 'STANDING LIMITED')"
    )
    measured = evaluate.judged(real_files / "matching" / "supplier_audit_part1.csv")
    assert measured.names > 1000
    assert measured.precision >= 0.99
    assert measured.recall >= 0.65
    assert connection.execute("select company_name from raw.company").fetchall() == [("STANDING LIMITED",)]
