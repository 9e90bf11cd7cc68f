"""How good the resolution is, measured against known truth and beside two plain methods."""

import re
import uuid
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from anchorspend import settings, warehouse
from anchorspend.errors import UserError
from anchorspend.resolve import link, register
from anchorspend.resolve.names import names
from anchorspend.resolve.profiles import IDENTIFIERS, RECORD
from anchorspend.resolve.records import read_records

_FUZZY_THRESHOLDS = (80, 85, 90, 92, 94, 96, 98, 100)
_CHUNK = 500


@dataclass(frozen=True)
class Measured:
    """`precision`: share of linked pairs of records that are truly one supplier. `recall`: share of true pairs that are
    linked. `pound_error`: share of pounds on records that sit in a group whose majority, by pounds, is another true
    supplier. `pound_split`: share of pounds on records outside the group that holds most of their supplier's pounds.
    """

    precision: float
    recall: float
    pound_error: float
    pound_split: float
    linked_pairs: int
    true_pairs: int


@dataclass(frozen=True)
class Evaluation:
    """The resolution beside equal normalised names and rapidfuzz's token_sort_ratio at its best threshold (by F1, told
    in `fuzzy_threshold`, chosen on the very data it is measured on)."""

    records: int
    resolution: Measured
    equal_names: Measured
    fuzzy: Measured
    fuzzy_threshold: int


@dataclass(frozen=True)
class Judged:
    """Register links of names that people judged. `precision`: right links among links; `recall`: right links among
    names that stand in a register."""

    names: int
    precision: float
    recall: float


def evaluate(truth: Path, *, known_numbers: bool = False) -> Evaluation:
    """Resolve the records of a sample county's folder of truth, and measure. See `records_of` for what is counted."""
    records = records_of(truth, known_numbers=known_numbers)
    counted = ~records.is_private
    return compare(records, link.link(records[[*RECORD, "is_private"]]).table.group, counted)


def standing() -> Evaluation:
    """Measure the links as they stand in the warehouse, on the records whose true supplier is known.

    Pounds are those of every loaded line, superseded ones too. Raises `UserError` where no supplier is known: only the
    sample county comes with its truth.
    """
    with warehouse.connect() as connection:
        records = read_records(connection)
        rows = connection.execute(
            """
            select known.supplier_record_id::text, true_supplier_id, supplier_id, coalesce(paid.pounds, 0)::float
            from reference.known_supplier as known
            inner join reference.supplier_link as link on link.supplier_record_id = known.supplier_record_id::text
            left join (
                select supplier_record_id, sum(abs(amount)) as pounds from warehouse.fct_spend
                group by supplier_record_id
            ) as paid on paid.supplier_record_id = known.supplier_record_id
            """
        ).fetchall()
    if not rows:
        raise UserError("no supplier record's true supplier is known; only the sample county comes with its truth")
    known = pd.DataFrame(rows, columns=["supplier_record_id", "truth", "supplier_id", "pounds"])
    records = records.merge(known, on="supplier_record_id")
    return compare(records, records.supplier_id, ~records.is_private)


def compare(records: pd.DataFrame, groups: pd.Series, counted: pd.Series) -> Evaluation:
    """Judge groups of records (supplier_record_id, supplier_name, truth, pounds) beside the two plain methods."""
    cores = pd.Series([(names(one) or [None])[0] for one in records.supplier_name], index=records.index)
    equal = cores.map(lambda one: one.core if one else None)
    equal = equal.where(equal.notna(), "record " + records.supplier_record_id)

    def measured(found: pd.Series) -> Measured:
        return measure(found, records.truth, records.pounds, counted)

    fuzzy = {at: measured(found) for at, found in _fuzzy(records.supplier_name[counted].fillna("")).items()}
    best = max(fuzzy, key=lambda at: (_f1(fuzzy[at]), at))
    return Evaluation(len(records), measured(groups), measured(equal), fuzzy[best], best)


def records_of(truth: Path, *, known_numbers: bool = False) -> pd.DataFrame:
    """The supplier records of a sample county, with columns of `RECORD`, is_private, truth and pounds.

    `truth` (column): true supplier. `pounds`: absolute pounds an institution paid the supplier, shared evenly among its
    records of that supplier, as the truth does not say by which record they were paid. Private persons, who are linked
    to nobody by rule, are to be left out of what is counted. With `known_numbers` three in five records carry the
    supplier's register numbers; without, names and postcodes are all there is.
    """
    table = pd.read_csv(truth / "supplier_records.csv", dtype=str, keep_default_na=False)
    suppliers = pd.read_csv(truth / "suppliers.csv", dtype=str, keep_default_na=False).set_index("supplier_id")
    lines = pd.read_csv(truth / "lines.csv", usecols=["institution_id", "supplier_id", "amount"])
    paid = lines.amount.abs().groupby([lines.institution_id, lines.supplier_id]).sum()
    owner = [table.institution_id, table.supplier_id]
    shared = table.groupby(["institution_id", "supplier_id"]).name.transform("size")
    pounds = paid.reindex(pd.MultiIndex.from_arrays(owner)).fillna(0).to_numpy() / shared
    patterns = pd.read_csv(settings.dbt_project() / "seeds" / "individual_pattern.csv").pattern
    private = re.compile("|".join(f"(?:{one})".replace("\\m", "\\b").replace("\\M", "\\b") for one in patterns), re.I)
    records = pd.DataFrame(
        {
            "supplier_record_id": [str(uuid.UUID(int=number)) for number in range(len(table))],
            "institution_id": table.institution_id,
            "supplier_ref": table.supplier_ref,
            "supplier_name": table["name"],
            "supplier_postcode": table.postcode,
        }
    )
    rng = np.random.default_rng(0)
    for kind in IDENTIFIERS:
        is_known = rng.random(len(table)) < (0.6 if known_numbers else 0)
        records[kind] = table.supplier_id.map(suppliers[kind]).where(is_known, "")
    records = records.astype(object).replace({"": None})
    return records.assign(
        is_private=[bool(private.search(name or "")) for name in records.supplier_name],
        truth=table.supplier_id,
        pounds=pounds,
    )


def measure(groups: pd.Series, truth: pd.Series, pounds: pd.Series, counted: pd.Series) -> Measured:
    """Judge groups against the truth; all are indexed by record, and only records `counted` are looked at."""
    table = pd.DataFrame({"group": groups, "truth": truth, "pounds": pounds})[counted]
    both = _pairs(table.groupby(["group", "truth"]).size())
    linked, true = _pairs(table.groupby("group").size()), _pairs(table.groupby("truth").size())
    shares = table.groupby(["group", "truth"]).pounds.sum().reset_index()
    total = max(float(shares.pounds.sum()), 1e-9)
    majority = float(shares.groupby("group").pounds.max().sum())
    together = float(shares.groupby("truth").pounds.max().sum())
    return Measured(
        precision=round(both / linked, 5) if linked else 1.0,
        recall=round(both / true, 5) if true else 1.0,
        pound_error=round(1 - majority / total, 5),
        pound_split=round(1 - together / total, 5),
        linked_pairs=linked,
        true_pairs=true,
    )


def _pairs(sizes: pd.Series) -> int:
    return int((sizes * (sizes - 1) // 2).sum())


def _f1(one: Measured) -> float:
    return 2 * one.precision * one.recall / max(one.precision + one.recall, 1e-9)


def _fuzzy(written: pd.Series) -> dict[int, pd.Series]:
    """Groups of records at each threshold of token_sort_ratio: components of the pairs that reach it."""
    from rapidfuzz import fuzz, process
    from scipy.sparse import coo_array  # type: ignore[import-untyped]
    from scipy.sparse.csgraph import connected_components  # type: ignore[import-untyped]

    upper = written.str.upper()
    distinct = upper.drop_duplicates().tolist()
    left, right, scores = [], [], []
    for start in range(0, len(distinct), _CHUNK):
        found = process.cdist(
            *(distinct[start : start + _CHUNK], distinct),
            scorer=fuzz.token_sort_ratio,
            score_cutoff=min(_FUZZY_THRESHOLDS),
            dtype=np.uint8,
            workers=2,
        )
        row, column = found.nonzero()
        left.append(row + start)
        right.append(column)
        scores.append(found[row, column])
    a, b, score = (np.concatenate(parts) for parts in (left, right, scores))
    result = {}
    for at in _FUZZY_THRESHOLDS:
        keep = score >= at
        graph = coo_array((np.ones(keep.sum()), (a[keep], b[keep])), shape=(len(distinct),) * 2)
        _, labels = connected_components(graph, directed=False)
        result[at] = upper.map(dict(zip(distinct, labels.tolist(), strict=True)))
    return result


def learn_truth(truth: Path) -> int:
    """Keep the true suppliers of a sample county's records in `reference.known_supplier`; how many records.

    `truth`: the folder the sample wrote beside its inbox. Replaces what was known before.
    """
    columns = ["institution_id", "supplier_ref", "name", "postcode", "supplier_id"]
    table = pd.read_csv(truth / "supplier_records.csv", dtype=str, keep_default_na=False, usecols=columns)
    with warehouse.connect() as connection:
        connection.execute(
            "create temporary table told (institution_id text, ref text, name text, place text, truth text)"
        )
        with connection.cursor() as cursor, cursor.copy("copy told from stdin") as copy:
            for row in table[columns].itertuples(index=False):
                copy.write_row([cell or None for cell in row])
        connection.execute("delete from reference.known_supplier")
        done = connection.execute(
            """
            insert into reference.known_supplier
            select distinct on (1) raw.supplier_record_id(institution_id, ref, name, place), truth
            from told order by 1, 2
            """
        )
        return done.rowcount


def judged(path: Path) -> Judged:
    """Link names that people judged to registers made of their judgement, and measure.

    `path`: CSV with supplier, companynumber, companyname, charityregno and charityname, `-1` where a name is in no
    register. The registers hold every judged body, and for each company a distractor that shares its beginning. They
    stand in the warehouse for the length of a transaction that is rolled back; a release waits meanwhile.
    """
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    companies = table[table.companynumber != "-1"].drop_duplicates("companynumber")
    charities = table[table.charityregno != "-1"].drop_duplicates("charityregno")
    others = [f"{name.rsplit(' ', 2)[0]} SERVICES" for name in companies.companyname if name.count(" ") > 1]
    asked = table.drop_duplicates("supplier").reset_index(drop=True)
    sought = {
        position: register.Sought(
            frozenset((one.core, one.form, one.qualifier) for one in names(name)), frozenset(), frozenset(), frozenset()
        )
        for position, name in enumerate(asked.supplier)
    }
    with warehouse.connect() as connection:
        connection.execute("truncate raw.company, raw.charity, raw.mutual, raw.public_body")
        with connection.cursor() as cursor:
            cursor.executemany(
                "insert into raw.company (batch_id, line_no, source_row, company_number, company_name)"
                " values (1, 1, 1, %s, %s)",
                [
                    *zip(companies.companynumber, companies.companyname, strict=True),
                    *((f"{80_000_000 + number}", name) for number, name in enumerate(others)),
                ],
            )
            cursor.executemany(
                "insert into raw.charity (batch_id, line_no, source_row, charity_number, charity_name,"
                " registration_status, company_number) values (1, 1, 1, %s, %s, 'Registered', %s)",
                [
                    (number, name, company.lstrip("0"))
                    for number, name, company in zip(
                        charities.charityregno, charities.charityname, charities.companynumber, strict=True
                    )
                ],
            )
        for one in register.REGISTERS:
            register.rebuild(connection, one)
        found = register.find(connection, sought)
        connection.rollback()
    right = [
        {company, charity} - {"-1"} for company, charity in zip(asked.companynumber, asked.charityregno, strict=True)
    ]
    links = [(position, entry.number) for position, entry in found.items() if entry.number is not None]
    hits = sum(number in right[position] for position, number in links)
    return Judged(len(asked), round(hits / max(len(links), 1), 5), round(hits / max(sum(map(bool, right)), 1), 5))
