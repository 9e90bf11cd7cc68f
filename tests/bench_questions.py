"""How fast the questions of docs/how-to/questions.md are answered on three million spend lines, and a release takes
when one more month has come: `make bench`, or `tests/bench_questions.py --keep FOLDER` to stay with the warehouse.

The county is the sample at four times its lines, its three years once more and again before them. From one repetition
to the next a quarter of the suppliers get another number, and the companies among another quarter become other ones.
A kept warehouse is used again, and each run adds the month after its newest. Only a wrong count or an empty answer
fails the run, never the time it took.
"""

import argparse
import json
import os
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path

import psycopg
from psycopg import sql

SPEND = ("ledger", "card", "observatory")
REFERENCES = ("transaction_ref", "invoice_ref")
NUMBERS = ("company_number", "charity_number", "vat_number")
TIMES = 20
_began = time.perf_counter()


def say(words: str) -> None:
    sys.stdout.write(f"{time.perf_counter() - _began:6.0f} s  {words}\n")
    sys.stdout.flush()


def land_sample(scale: float) -> None:
    """Everything of a sample county, by the road its files take."""
    from anchorspend import contract, demo, ingest, reference, release, settings
    from anchorspend.resolve import evaluate

    demo.sample_files(say, scale)
    evaluate.learn_truth(settings.state() / "truth")
    reference.load_postcodes(lambda _: None)
    release.register()
    for institution in contract.load_institutions().values():
        for feed_id in institution.feeds:
            list(ingest.land_feed(institution, feed_id))
            list(ingest.load_feed(institution, feed_id))
        say(f"{institution.id}: loaded")


def repeat(connection: psycopg.Connection, turn: str, shift: str, condition: str, one_in: int) -> int:
    """Load the batches of spend of a condition once more, dated otherwise; the number of lines.

    One supplier in `one_in` gets another number, one in `one_in` another name too where it is a company. References are
    new, so that no line is the payment of another one again.
    """
    from anchorspend.kinds import KINDS, FieldType

    later = sql.SQL("interval {}").format(sql.Literal(shift))
    with connection.transaction():
        connection.execute(
            sql.SQL(
                """
                create temporary table again on commit drop as
                select batch_id, file_id, kind,
                    batch_id + (select max(batch_id) from ops.batch) as new_batch_id,
                    dense_rank() over (order by file_id) + (select max(file_id) from landing.file) as new_file_id
                from ops.batch where status = 'loaded' and kind = any({spend}) and {condition}
                """
            ).format(spend=sql.Literal(list(SPEND)), condition=sql.SQL(condition))
        )
        _copy_rows(
            connection,
            "landing.file",
            "select distinct file_id, new_file_id from again",
            "file_id",
            file_id="again.new_file_id",
            landed_at="clock_timestamp()",
            name=sql.SQL("{} || '/' || old.name").format(sql.Literal(turn)),
            sha256=sql.SQL("md5({0} || old.sha256) || md5(old.sha256 || {0})").format(sql.Literal(turn)),
        )
        first, last = (
            sql.SQL(day).format(later)
            for day in ("(old.period_first + {})::date", "(old.period_last + 1 + {})::date - 1")
        )
        _copy_rows(
            connection,
            "ops.batch",
            "table again",
            "batch_id",
            batch_id="again.new_batch_id",
            file_id="again.new_file_id",
            finished_at="clock_timestamp()",
            period_first=first,
            period_last=last,
            period_label=sql.SQL(
                "to_char({first}, 'YYYY-MM') || case when {last} - {first} > 31 then to_char({last}, '_YYYY-MM')"
                " else '' end || coalesce('/' || nullif(split_part(old.period_label, '/', 2), ''), '')"
            ).format(first=first, last=last),
        )
        # The same supplier of the same institution fares alike in every feed.
        chance = sql.SQL(
            "(hashtext({} || regexp_replace(lower(old.supplier_name), '[^a-z0-9]', '', 'g')) & 1048575) % {}"
        ).format(sql.Literal(turn), sql.Literal(one_in))
        is_other = sql.SQL(r"({} = 0 and old.supplier_name ~* '\m(ltd|limited|plc|llp)\M')").format(chance)
        lines = 0
        for kind in SPEND:
            fields = KINDS[kind].fields
            changed: dict[str, sql.Composable | str] = {"batch_id": "again.new_batch_id"}
            for name, field in fields.items():
                column = sql.Identifier("old", name)
                if field.type is FieldType.DATE:
                    changed[name] = sql.SQL("({} + {})::date").format(column, later)
                elif name in REFERENCES:
                    changed[name] = sql.SQL("{} || '-' || {}").format(sql.Literal(turn), column)
                elif name in NUMBERS:
                    changed[name] = sql.SQL("case when not {} then {} end").format(is_other, column)
            if "supplier_ref" in fields:
                changed["supplier_ref"] = sql.SQL(
                    "case when {} < 2 then {} || '-' || old.supplier_ref else old.supplier_ref end"
                ).format(chance, sql.Literal(turn))
            changed["supplier_name"] = sql.SQL(
                r"case when {} then initcap(reverse(substring(old.supplier_name from '^\S+')))"
                r" || substring(old.supplier_name from '^\S+(.*)$') else old.supplier_name end"
            ).format(is_other)
            lines += _copy_rows(connection, f"raw.{kind}", "table again", "batch_id", **changed)
        _copy_rows(connection, "raw.quarantine", "table again", "batch_id", batch_id="again.new_batch_id")
        for table, key in (("ops.batch", "batch_id"), ("landing.file", "file_id")):
            connection.execute(
                f"select setval(pg_get_serial_sequence('{table}', '{key}'), max({key})) from {table}".encode()
            )
    connection.execute("analyze")
    return lines


def _copy_rows(
    connection: psycopg.Connection, table: str, again: str, key: str, **changed: sql.Composable | str
) -> int:
    """Insert the rows of a table that `again` names once more, some of their columns changed."""
    columns = [
        name
        for (name,) in connection.execute(
            "select attname from pg_attribute where attrelid = %s::regclass and attnum > 0 and not attisdropped"
            " order by attnum",
            [table],
        )
    ]
    values = [
        sql.SQL(value) if isinstance(value, str) else value
        for value in (changed.get(name, sql.Identifier("old", name)) for name in columns)
    ]
    return connection.execute(
        sql.SQL(
            """
            insert into {table} ({columns}) overriding system value
            select {values} from {table} as old inner join ({again}) as again on old.{key} = again.{key}
            order by {new}
            """
        ).format(
            table=sql.Identifier(*table.split(".")),
            columns=sql.SQL(", ").join(map(sql.Identifier, columns)),
            values=sql.SQL(", ").join(values),
            again=sql.SQL(again),
            key=sql.Identifier(key),
            new=sql.SQL(str(changed[key])),
        )
    ).rowcount


def history(scale: float, repetitions: int) -> None:
    """The county and its repetitions, loaded."""
    from anchorspend import warehouse

    land_sample(scale)
    with warehouse.connect(autocommit=True) as connection:
        newest = connection.execute("select max(batch_id) from ops.batch").fetchone()
        for number in range(1, repetitions):
            lines = repeat(connection, f"R{number}", f"-{3 * number} years", f"batch_id <= {newest[0]}", 4)
            say(f"repetition {number}: {lines:,} lines")


def one_more_month() -> int:
    """The newest month of every feed that comes monthly, once more as the month after it; the number of lines."""
    from anchorspend import warehouse

    monthly = "status = 'loaded' and kind in ('ledger', 'card') and period_last - period_first < 31"
    newest = f"select institution_id, feed_id, max(period_first) from ops.batch where {monthly} group by 1, 2"
    with warehouse.connect(autocommit=True) as connection:
        (batches,) = connection.execute("select max(batch_id) from ops.batch").fetchone()
        condition = f"{monthly} and (institution_id, feed_id, period_first) in ({newest})"
        return repeat(connection, f"M{batches}", "1 month", condition, 40)


def is_released() -> bool:
    from anchorspend import warehouse

    with warehouse.connect() as connection:
        return bool(connection.execute("select 1 from ops.release where status = 'published'").fetchone())


def release_now() -> float:
    """Make a release and say what took how long; its seconds."""
    from anchorspend import release, settings

    start = time.perf_counter()
    published = release.make(say)
    seconds = time.perf_counter() - start
    assert published, "nothing to release"
    say(f"{published.schema_name}: {published.lines:,} lines that count, in {seconds:.1f} s")
    results = json.loads((settings.dbt_project() / "target" / "run_results.json").read_text())["results"]
    slowest = sorted(results, key=lambda one: -one["execution_time"])[:12]
    for one in slowest:
        say(f"  {one['execution_time']:6.1f} s  {one['unique_id']}")
    return seconds


def ask() -> bool:
    """Ask every question as `bi_reader`, each twenty times, and print what 50 and 95 in 100 took at most. Whether every
    one has an answer."""
    from anchorspend import warehouse
    from test_questions import questions

    is_right, times = True, []
    with warehouse.connect(warehouse.reader_url(), autocommit=True) as connection:
        for title, query in questions():
            took = []
            for _ in range(TIMES):
                start = time.perf_counter()
                rows = connection.execute(query.encode()).fetchall()
                took.append((time.perf_counter() - start) * 1000)
            if not rows:
                say(f"no answer: {title}")
                is_right = False
            times += took
            say(f"  p50 {statistics.median(took):7.1f} ms, p95 {p95(took):7.1f} ms  {title}")
    say(f"all of them: p50 {statistics.median(times):.1f} ms, p95 {p95(times):.1f} ms")
    return is_right


def p95(took: list[float]) -> float:
    return statistics.quantiles(took, n=20, method="inclusive")[-1]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scale", type=float, default=4, help="lines of the sample, 250,000 to the unit (default: 4)")
    parser.add_argument("--repetitions", type=int, default=3, help="how often its three years stand (default: 3)")
    parser.add_argument("--keep", type=Path, help="state folder to leave the warehouse in, or to find it in")
    parser.add_argument("--build-only", action="store_true", help="with --keep: load the history and stop")
    parser.add_argument("--questions-only", action="store_true", help="with --keep: only ask what is published")
    chosen = parser.parse_args()
    folder = chosen.keep or Path(tempfile.mkdtemp(prefix="bench-"))
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o755)  # PostgreSQL runs as another account where we are root
    os.environ["ANCHORSPEND_STATE"] = str(folder.absolute())
    for variable in ("WAREHOUSE_URL", "INBOX", "LANDING", "INSTITUTIONS"):
        os.environ.pop(f"ANCHORSPEND_{variable}", None)
    from anchorspend.server import postgres

    is_there = folder / "HISTORY"
    try:
        postgres.start()
        if not is_there.exists():
            history(chosen.scale, chosen.repetitions)
            is_there.touch()
        if chosen.build_only:
            return 0
        if not chosen.questions_only:
            if not is_released():
                release_now()
            lines = one_more_month()
            say(f"one more month: {lines:,} lines")
            release_now()
        return 0 if ask() else 1
    finally:
        postgres.stop()
        if not chosen.keep:
            shutil.rmtree(folder)


if __name__ == "__main__":
    sys.exit(main())
