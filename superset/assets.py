"""The dashboards, between this folder's `assets/` and Superset's own database.

`assets.py load` makes Superset hold what the files say, overwriting what it had under the same ids, and a role `Marts`
that may see it. `assets.py save FOLDER` writes what Superset holds, in the form of the files, so that a dashboard
changed in the browser can be reviewed and kept. Runs where Superset is installed, with its environment.
"""

import os
import re
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml
from superset.app import create_app

ASSETS = Path(__file__).with_name("assets")
ROLE = "Marts"


def load() -> None:
    """Import every file of `assets/`, with the warehouse's address from the environment, as the administrator."""
    from superset.commands.importers.v1.assets import ImportAssetsCommand
    from superset.models.core import Database
    from superset.utils.core import override_user

    from superset import db, security_manager

    contents = {path.relative_to(ASSETS).as_posix(): path.read_text() for path in sorted(ASSETS.rglob("*.yaml"))}
    [name] = [name for name in contents if name.startswith("databases/")]
    database = yaml.safe_load(contents[name])
    database["sqlalchemy_uri"] = os.environ["SUPERSET_WAREHOUSE_URL"]
    contents[name] = yaml.safe_dump(database)
    with override_user(security_manager.find_user(os.environ["SUPERSET_ADMIN_USERNAME"])):
        ImportAssetsCommand(contents).run()
    imported = db.session.query(Database).filter_by(uuid=database["uuid"]).one()
    role = security_manager.add_role(ROLE)
    security_manager.add_permission_role(
        role, security_manager.add_permission_view_menu("database_access", imported.perm)
    )
    db.session.commit()


def save(folder: Path) -> None:
    """Write what Superset holds below `folder`: no numbers of this installation, no address, no time."""
    from superset.commands.export.assets import ExportAssetsCommand
    from superset.utils.core import override_user

    from superset import security_manager

    kept = {yaml.safe_load(path.read_text()).get("uuid"): path.relative_to(ASSETS) for path in ASSETS.rglob("*.yaml")}
    with override_user(security_manager.find_user(os.environ["SUPERSET_ADMIN_USERNAME"])):
        exported = {name: yaml.safe_load(content()) for name, content in ExportAssetsCommand().run()}
    for name, document in exported.items():
        without_number = re.sub(r"_\d+(?=\.yaml$)", "", name)
        path = folder / (kept.get(document["uuid"], Path(without_number)) if "uuid" in document else name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.dump(stable(document), Dumper=Readable, allow_unicode=True, width=110))


class Readable(yaml.SafeDumper):
    """Writes a query line by line, as it is written by hand."""


Readable.add_representer(
    str,
    lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None),
)


def stable(document: dict[str, Any]) -> dict[str, Any]:
    """The document without what differs between two installations that hold the same dashboards."""
    for key in ("timestamp", "query_context"):
        document.pop(key, None)
    if "sqlalchemy_uri" in document:
        address = urlsplit(document["sqlalchemy_uri"])
        document["sqlalchemy_uri"] = f"postgresql+psycopg2://{address.username}@postgres:5432{address.path}"
    for part, name in (("columns", "column_name"), ("metrics", "metric_name")):
        if part in document:
            document[part].sort(key=lambda one: one[name])
    for key in ("datasource", "dashboards", "slice_id"):
        (document.get("params") or {}).pop(key, None)
    if "position" in document:
        charts = [one["meta"] for one in document["position"].values() if one_is_chart(one)]
        numbers = {meta["chartId"]: n for n, meta in enumerate(sorted(charts, key=lambda meta: meta["uuid"]), 1)}
        for meta in charts:
            meta["chartId"] = numbers[meta["chartId"]]
        for one in document["metadata"]["native_filter_configuration"]:
            one["scope"]["excluded"] = sorted(numbers[n] for n in one["scope"]["excluded"] if n in numbers)
            for key in ("chartsInScope", "tabsInScope"):
                one.pop(key, None)
    return document


def one_is_chart(part: object) -> bool:
    """Whether a part of a dashboard's layout is a chart."""
    return isinstance(part, dict) and part["type"] == "CHART"


def main(arguments: list[str]) -> int:
    """0 when it was done, 2 when it was not understood."""
    match arguments:
        case ["load"]:
            with create_app().app_context():
                load()
        case ["save", folder]:
            with create_app().app_context():
                save(Path(folder))
        case _:
            print(__doc__, file=sys.stderr)  # noqa: T201
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
