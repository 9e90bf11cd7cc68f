"""Puts Anchorspend into Airflow: its pages in the navigation, and on a task instance links to what the task made.

Airflow does not guard an app that a plugin mounts. Every route here depends on Airflow's own login and on the right to
see its website; what can hold a payee's name, on the right to read its connections, whose holder has the warehouse's
password anyway. Only the API server asks for the app and the links, so that no other process pays for making them.
"""

from collections.abc import Callable
from functools import cached_property
from typing import Any, ClassVar
from urllib.parse import urlsplit

from airflow.configuration import conf
from airflow.plugins_manager import AirflowPlugin

PREFIX = "/anchorspend"
ROOT = urlsplit(conf.get("api", "base_url", fallback="") or "").path.rstrip("/") + PREFIX

# Nothing is asked of any other address, and no page but Airflow's may frame these.
POLICY = "default-src 'none'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self' data:; "
POLICY += "base-uri 'none'; form-action 'none'; frame-ancestors 'self'; script-src "
# Data Docs put cells of the data into pages whose scripts come from elsewhere: shown as text, without any script.
STATIC = {
    "pages": POLICY + "'self'",
    "data-docs": POLICY + "'none'",
    "dbt-docs": POLICY + "'self' 'unsafe-inline' 'unsafe-eval'; connect-src 'self' data:",
}


def app() -> Any:
    """The FastAPI app of the views."""
    # Imported late: tasks load every plugin, and need none of this.
    from pathlib import Path
    from typing import Annotated

    from airflow.api_fastapi.app import get_auth_manager
    from airflow.api_fastapi.auth.managers.models.resource_details import AccessView
    from airflow.api_fastapi.core_api.security import GetUserDep, requires_access_view
    from anchorspend import settings
    from anchorspend.errors import UserError
    from fastapi import Depends, FastAPI, HTTPException, Request, Response
    from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse
    from fastapi.staticfiles import StaticFiles
    from starlette.exceptions import HTTPException as AnyHTTPException

    def sees_personal(user: GetUserDep) -> bool:
        return bool(get_auth_manager().is_authorized_connection(method="GET", user=user))

    def only_who_sees_personal(personal: "Annotated[bool, Depends(sees_personal)]") -> None:
        if not personal:
            raise HTTPException(403, "Data Docs quote rows of the data; they are for those who may read connections.")

    views = FastAPI(
        title="Anchorspend",
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        dependencies=[Depends(requires_access_view(AccessView.WEBSITE))],
    )

    @views.middleware("http")
    async def guarded(request: Request, call_next: Callable[[Request], Any]) -> Response:
        response: Response = await call_next(request)
        response.headers.setdefault("Content-Security-Policy", POLICY + "'none'")
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Referrer-Policy"] = "same-origin"
        response.headers["Cache-Control"] = "private, no-cache"  # no proxy may keep it, a browser asks again
        return response

    def told(request: Request, status: int, text: str) -> Response:
        if "text/html" not in request.headers.get("accept", ""):
            return JSONResponse({"detail": text}, status)
        from anchorspend.views import message

        heading = {403: "Not for your role", 404: "Not there"}.get(status, "That did not work")
        return HTMLResponse(message(heading, text), status)

    @views.exception_handler(AnyHTTPException)
    def refused(request: Request, problem: AnyHTTPException) -> Response:
        if problem.status_code == 401 and "text/html" in request.headers.get("accept", ""):
            return RedirectResponse(get_auth_manager().get_url_login(next_url=str(request.url)), 303)
        return told(request, problem.status_code, problem.detail)

    @views.exception_handler(UserError)
    def wrong(request: Request, problem: UserError) -> Response:
        return told(request, 404, str(problem))

    Personal = Annotated[bool, Depends(sees_personal)]

    @views.get("/")
    def start(request: Request) -> Response:
        return RedirectResponse(f"{request.scope['root_path']}/releases")

    @views.get("/releases", response_class=HTMLResponse)
    def releases(personal: Personal) -> str:
        from anchorspend import views as pages

        return pages.releases(personal=personal)

    @views.get("/release/{release_id}", response_class=HTMLResponse)
    def release(release_id: int, personal: Personal) -> str:
        from anchorspend import views as pages

        return pages.release(release_id, personal=personal)

    def numbers(ids: str) -> list[int]:
        if not all(one.isdecimal() and len(one) < 19 for one in ids.split(",")):
            raise HTTPException(404, "Batches are named by their numbers, with commas between.")
        return [int(one) for one in ids.split(",")]

    Numbers = Annotated[list[int], Depends(numbers)]

    @views.get("/batch/{ids}", response_class=HTMLResponse)
    def batch(ids: Numbers, personal: Personal) -> str:
        from anchorspend import views as pages

        return pages.batches(ids, personal=personal)

    @views.get("/quarantine/{ids}", response_class=HTMLResponse)
    def quarantine(ids: Numbers, personal: Personal) -> str:
        from anchorspend import views as pages

        return pages.quarantine(ids, personal=personal)

    def serve(name: str, folder: Path, missing: str, *more: Any) -> None:
        """Files of a folder, behind the same login: a mounted app would not ask for it."""
        files = StaticFiles(directory=folder, html=True, check_dir=False)

        @views.get(f"/{name}/{{path:path}}", dependencies=list(more))
        async def file(path: str, request: Request) -> Response:
            try:
                response = await files.get_response(path or ".", request.scope)
            except AnyHTTPException:
                raise HTTPException(404, missing if not path else "There is no such page.") from None
            response.headers["Content-Security-Policy"] = STATIC[name]
            return response

    serve(
        "pages",
        settings.state() / "pages" / "current",
        "There are no review pages yet; publishing a release writes them.",
    )
    serve(
        "data-docs",
        settings.state() / "audit" / "data_docs",
        "There are no Data Docs yet; auditing a release writes them.",
        Depends(only_who_sees_personal),
    )
    serve("dbt-docs", settings.state() / "dbt_docs", f"The dbt docs are not in {settings.state() / 'dbt_docs'}.")
    return views


def links() -> list[Any]:
    """Links on task instances: to the batches a load made, to the release that an audit judged or publishing made."""
    from airflow.models.xcom import XComModel
    from airflow.sdk import BaseOperatorLink
    from airflow.utils.session import create_session

    def returned(ti_key: Any, task_id: str, map_index: int) -> Any:
        """What a task of the same run returned, or None."""
        query = XComModel.get_many(
            key="return_value",
            run_id=ti_key.run_id,
            dag_ids=ti_key.dag_id,
            task_ids=task_id,
            map_indexes=map_index,
        )
        with create_session() as session:
            row = session.execute(query.with_only_columns(XComModel.value)).first()
        return None if row is None else XComModel.deserialize_value(row)

    def batches(ti_key: Any) -> str:
        loaded = returned(ti_key, "load", ti_key.map_index) or []
        return ",".join(map(str, loaded))

    def release(ti_key: Any) -> str:
        return str(returned(ti_key, "open_release", -1) or "")

    class Made(BaseOperatorLink):
        """A link on one task, of one DAG or of all whose id begins so; none where its task made nothing."""

        def __init__(self, name: str, dag: str, task: str, path: str, of: Callable[[Any], str] | None = None) -> None:
            self._name, self._dag, self._task, self._path, self._of = name, dag, task, path, of

        @property
        def name(self) -> str:
            return self._name

        def get_link(self, operator: Any, *, ti_key: Any) -> str:  # noqa: ARG002  # Airflow's signature
            if ti_key.task_id != self._task or not ti_key.dag_id.startswith(self._dag):
                return ""
            made = self._of(ti_key) if self._of else ""
            return f"{ROOT}/{self._path}{made}" if made or not self._of else ""

    return [
        Made("Batches", "ingest_", "load", "batch/", batches),
        Made("Quarantine", "ingest_", "load", "quarantine/", batches),
        Made("Checks", "release", "audit", "release/", release),
        Made("Data Docs", "release", "audit", "data-docs/"),
        Made("Release", "release", "publish", "release/", release),
        Made("Review pages", "release", "publish", "pages/"),
    ]


class AnchorspendViews(AirflowPlugin):
    """Registers the views, their places in the navigation and the links."""

    name = "anchorspend_views"
    external_views: ClassVar[list[dict[str, Any]]] = [
        {"name": "Review pages", "href": f"{ROOT}/pages/", "url_route": "review-pages", "nav_top_level": True},
        {"name": "Releases", "href": f"{ROOT}/releases", "url_route": "releases", "nav_top_level": True},
        {"name": "Data Docs", "href": f"{ROOT}/data-docs/", "url_route": "data-docs", "category": "docs"},
        {"name": "dbt docs", "href": f"{ROOT}/dbt-docs/", "url_route": "dbt-docs", "category": "docs"},
    ]

    @cached_property
    def fastapi_apps(self) -> list[dict[str, Any]]:  # type: ignore[override]  # Airflow only reads it
        """The app, when the API server asks."""
        return [{"name": "Anchorspend", "app": app(), "url_prefix": PREFIX}]

    @cached_property
    def global_operator_extra_links(self) -> list[Any]:  # type: ignore[override]  # Airflow only reads it
        """The links, when the API server asks."""
        return links()
