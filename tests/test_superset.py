"""Superset's dashboards as files: every part is there, and every column and expression stands on the published marts.

Superset itself is not needed; `make prove-superset` runs it.
"""

import re
from collections import Counter
from pathlib import Path

import psycopg
import pytest
import yaml
from anchorspend import publish

ASSETS = Path(__file__).resolve().parents[1] / "superset" / "assets"
AVERAGE = re.compile(r"\bavg\s*\(", re.I)


def assets(kind: str) -> dict[str, dict]:
    """The documents of one kind, by their id."""
    documents = [yaml.safe_load(path.read_text()) for path in sorted((ASSETS / kind).rglob("*.yaml"))]
    return {document["uuid"]: document for document in documents}


def datasets() -> list[dict]:
    return list(assets("datasets").values())


def source(dataset: dict) -> str:
    """The dataset as what stands behind `from`."""
    return f"({dataset['sql']}) as dataset"


def used(chart: dict) -> tuple[set[str], set[str]]:
    """The columns and the metrics a chart names."""
    params = chart["params"]
    columns = {*params.get("groupby", []), *params.get("all_columns", [])}
    columns |= {params["x_axis"]} if "x_axis" in params else set()
    columns |= {yaml.safe_load(order)[0] for order in params.get("order_by_cols", [])}
    columns |= {one["subject"] for one in params["adhoc_filters"]}
    metrics = {*params.get("metrics", []), *params.get("percent_metrics", [])}
    metrics |= {params[key] for key in ("metric", "timeseries_limit_metric") if params.get(key)}
    metrics |= {params["x_axis_sort"]} - columns if "x_axis_sort" in params else set()
    return columns, metrics


def names(dataset: dict) -> tuple[set[str], set[str]]:
    """The columns and the metrics a dataset has."""
    return {one["column_name"] for one in dataset["columns"]}, {one["metric_name"] for one in dataset["metrics"]}


def test_ids_and_titles_are_each_once():
    everything = [one for kind in ("databases", "datasets", "charts", "dashboards") for one in assets(kind).values()]
    assert len(everything) == len(list(ASSETS.rglob("*.yaml"))) - 1, "two files have one id; metadata.yaml has none"
    assert not [slug for slug, n in Counter(one["slug"] for one in assets("dashboards").values()).items() if n > 1]


def test_the_warehouse_is_only_read_and_no_password_is_kept():
    [database] = assets("databases").values()
    allowed = {key: value for key, value in database.items() if key.startswith("allow_")}
    assert set(allowed.values()) == {False}
    assert database["sqlalchemy_uri"] == "postgresql+psycopg2://bi_reader@postgres:5432/anchorspend"
    assert {dataset["database_uuid"] for dataset in datasets()} == {database["uuid"]}


def test_charts_name_what_their_dataset_has():
    for chart in assets("charts").values():
        columns, metrics = names(assets("datasets")[chart["dataset_uuid"]])
        named_columns, named_metrics = used(chart)
        assert named_columns <= columns, chart["slice_name"]
        assert named_metrics <= metrics, chart["slice_name"]
        assert named_columns | named_metrics, f"{chart['slice_name']} shows nothing"


def test_each_chart_stands_on_one_dashboard_and_filters_name_columns():
    placed: Counter[str] = Counter()
    for dashboard in assets("dashboards").values():
        placed.update(one["meta"]["uuid"] for one in dashboard["position"].values() if one_is_chart(one))
        numbers = {one["meta"]["chartId"] for one in dashboard["position"].values() if one_is_chart(one)}
        for one in dashboard["metadata"]["native_filter_configuration"]:
            [target] = one["targets"]
            assert target["column"]["name"] in names(assets("datasets")[target["datasetUuid"]])[0], one["name"]
            assert set(one["scope"]["excluded"]) <= numbers, one["name"]
    assert placed == Counter(dict.fromkeys(assets("charts"), 1))


def one_is_chart(part: object) -> bool:
    return isinstance(part, dict) and part["type"] == "CHART"


def test_an_institution_is_always_chosen_where_the_partnership_stands_beside_its_parts():
    """`measures` holds the partnership and its institutions: without a choice their pounds would be added up twice."""
    [executive] = [one for one in assets("dashboards").values() if one["slug"] == "executive"]
    [institution] = [
        one
        for one in executive["metadata"]["native_filter_configuration"]
        if one["targets"][0]["column"]["name"] == "institution_name"
    ]
    assert institution["controlValues"]["multiSelect"] is False
    assert institution["controlValues"]["enableEmptyFilter"] is True, "a choice is required"
    assert institution["requiredFirst"] is True, "no chart asks before the choice is made"


def test_the_exposures_name_what_the_dashboards_read():
    models = Path(__file__).resolve().parents[1] / "dbt_project" / "models"
    exposures = yaml.safe_load((models / "marts" / "_relationship.yml").read_text())["exposures"]
    for dashboard in assets("dashboards").values():
        charts = [one["meta"]["uuid"] for one in dashboard["position"].values() if one_is_chart(one)]
        behind = {assets("charts")[chart]["dataset_uuid"] for chart in charts}
        read = {table for one in behind for table in re.findall(r"\bmarts\.(\w+)", assets("datasets")[one]["sql"])}
        [exposure] = [one for one in exposures if one["url"].endswith(f"/dashboards/{dashboard['slug']}")]
        made_by_dbt = read - {made.name for made in publish.MADE}
        assert set(exposure["depends_on"]) == {f"ref('{table}')" for table in made_by_dbt}


def test_no_share_is_an_average_of_shares():
    for dataset in datasets():
        for metric in dataset["metrics"]:
            assert not AVERAGE.search(metric["expression"]), metric["metric_name"]
            if metric["metric_name"].endswith("_share"):
                assert re.search(r"/\s*nullif\(sum\(", metric["expression"]), metric["metric_name"]


@pytest.fixture(scope="module")
def reader(sample_release: tuple[str, Path]) -> psycopg.Connection:
    """`bi_reader` on the sample county, as Superset reads it."""
    from anchorspend import warehouse

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ANCHORSPEND_WAREHOUSE_URL", sample_release[0])
        url = warehouse.reader_url()
    with psycopg.connect(url, autocommit=True) as connection:
        yield connection


@pytest.mark.parametrize("dataset", datasets(), ids=lambda dataset: dataset["table_name"])
def test_every_column_and_metric_is_what_the_marts_give(dataset, reader):
    columns, _ = names(dataset)
    found = reader.execute(f"select * from {source(dataset)} limit 1")
    assert {one.name for one in found.description} == columns
    assert found.fetchone(), "the dataset is empty"
    metrics = ", ".join(metric["expression"] for metric in dataset["metrics"])
    [row] = reader.execute(f"select {metrics} from {source(dataset)}").fetchall()
    missing = [metric["metric_name"] for metric, value in zip(dataset["metrics"], row, strict=True) if value is None]
    assert not missing


def test_the_analysts_shares_are_the_scorecards(reader):
    """Of one institution all lines; of the partnership those without what its institutions paid each other."""
    [lines] = [dataset for dataset in datasets() if dataset["table_name"] == "spend_lines"]
    expressions = {metric["metric_name"]: metric["expression"] for metric in lines["metrics"]}
    for kpi_id, metric in (
        ("local_spend_pct", "local_share"),
        ("sme_spend_pct", "sme_share"),
        ("vcs_spend_pct", "vcs_share"),
    ):
        shares = f"round({expressions[metric]}, 8), sum(amount)"
        found = reader.execute(
            f"select institution_id, financial_year, {shares} from {source(lines)} group by 1, 2 "
            f"union all select 'partnership', financial_year, {shares} from {source(lines)} "
            "where scope <> 'between anchors' group by 2"
        ).fetchall()
        published = reader.execute(
            "select institution_id, financial_year, round(value, 8), total_amount "
            "from marts.kpi_scorecard inner join marts.kpi_definition using (kpi_id) "
            "where kpi_id = %s and definition_id = headline_definition and total_amount is not null",
            [kpi_id],
        ).fetchall()
        assert sorted(found) == sorted(published), kpi_id


def test_the_queries_of_the_documentation_answer(reader):
    [page] = (ASSETS.parents[1] / "docs").rglob("bi.md")
    queries = re.findall(r"```sql\n(.*?)```", page.read_text(), re.S)
    assert queries
    for query in queries:
        assert reader.execute(query).fetchall(), query
