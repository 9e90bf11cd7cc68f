"""Names that people judged, linked to registers built from their judgement."""

import uuid
from pathlib import Path

import pandas as pd
import psycopg
import pytest
from anchorspend import resolve
from anchorspend.resolve import evaluate
from test_resolve_run import few, store


@pytest.fixture
def judged(real_files: Path) -> pd.DataFrame:
    return pd.read_csv(real_files / "matching" / "supplier_audit_part1.csv", dtype=str, keep_default_na=False)


def test_judged_names_find_their_register_numbers(connection: psycopg.Connection, judged: pd.DataFrame) -> None:
    """The registers hold every judged body, and for each a distractor that shares its beginning or its end."""
    companies = judged[judged.companynumber != "-1"].drop_duplicates("companynumber")
    charities = judged[judged.charityregno != "-1"].drop_duplicates("charityregno")
    others = [f"{name.rsplit(' ', 2)[0]} SERVICES" for name in companies.companyname if name.count(" ") > 1]
    with connection.cursor() as cursor:
        cursor.executemany(
            "insert into raw.company (batch_id, line_no, source_row, company_number, company_name, company_category,"
            " company_status) values (1, 1, 1, %s, %s, 'x', 'Active')",
            [
                *zip(companies.companynumber, companies.companyname, strict=True),
                *((f"{80_000_000 + number}", name) for number, name in enumerate(others)),
            ],
        )
        cursor.executemany(
            "insert into raw.charity (batch_id, line_no, source_row, organisation_number, charity_number, charity_name,"
            " registration_status, company_number) values (1, 1, 1, %(n)s, %(n)s, %(name)s, 'Registered', %(company)s)",
            [
                {"n": row.charityregno, "name": row.charityname, "company": row.companynumber.lstrip("0")}
                for row in charities.itertuples()
            ],
        )
    names = judged.drop_duplicates("supplier").reset_index(drop=True)
    store(
        connection,
        few(
            *(
                {"supplier_record_id": str(uuid.UUID(int=i)), "supplier_name": name}
                for i, name in enumerate(names.supplier)
            )
        ),
    )
    resolve.resolve()
    found = connection.execute("select supplier_record_id, register_number from reference.supplier_link").fetchall()
    right = {
        str(uuid.UUID(int=i)): frozenset({company, charity} - {"-1"})
        for i, (company, charity) in enumerate(zip(names.companynumber, names.charityregno, strict=True))
    }
    precision, recall = evaluate.against_numbers(found, right)
    assert precision >= 0.9
    assert recall >= 0.6
