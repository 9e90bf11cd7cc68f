"""Puts Anchorspend into Airflow: its pages in the navigation, and on a task instance links to what the task made.

Only the API server asks for the app and the links, so that no other process, and no task, pays for making them.
"""

from functools import cached_property
from typing import Any, ClassVar
from urllib.parse import urlsplit

from airflow.configuration import conf
from airflow.plugins_manager import AirflowPlugin

PREFIX = "/anchorspend"
ROOT = urlsplit(conf.get("api", "base_url", fallback="") or "").path.rstrip("/") + PREFIX


class AnchorspendViews(AirflowPlugin):
    """Registers the views, their places in the navigation and the links."""

    name = "anchorspend_views"
    external_views: ClassVar[list[dict[str, Any]]] = [
        {"name": "Review", "href": f"{ROOT}/pages/current/", "url_route": "review-pages", "nav_top_level": True},
        {"name": "Releases", "href": f"{ROOT}/releases", "url_route": "releases", "nav_top_level": True},
        {"name": "Data Docs", "href": f"{ROOT}/data-docs/", "url_route": "data-docs", "category": "docs"},
        {"name": "dbt docs", "href": f"{ROOT}/dbt-docs/", "url_route": "dbt-docs", "category": "docs"},
    ]

    @cached_property
    def fastapi_apps(self) -> list[dict[str, Any]]:  # type: ignore[override]  # Airflow only reads it
        """The app, when the API server asks."""
        from anchorspend_airflow.app import app

        return [{"name": "Anchorspend", "app": app, "url_prefix": PREFIX}]

    @cached_property
    def global_operator_extra_links(self) -> list[Any]:  # type: ignore[override]  # Airflow only reads it
        """The links, when the API server asks."""
        from anchorspend_airflow.links import links

        return links(ROOT)
