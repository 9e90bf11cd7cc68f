"""The app of the views: releases, checks, batches, lines in quarantine, and the folders of pages made elsewhere.

Airflow does not guard an app that a plugin mounts. Every route here depends on Airflow's own login and on the right to
see its website; what can hold a payee's name, on the right to read its connections, whose holder has the warehouse's
password anyway. A mounted app would ask for neither, so folders are served by routes too.
"""

from collections.abc import Awaitable, Callable
from pathlib import Path
from types import ModuleType
from typing import Annotated

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.models.resource_details import AccessView
from airflow.api_fastapi.core_api.security import GetUserDep, requires_access_view
from anchorspend.errors import UserError
from fastapi import Depends, FastAPI, HTTPException, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException as AnyHTTPException

# Nothing is asked of any other address, and no page but Airflow's may frame these.
POLICY = (
    "default-src 'none'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self' data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'self'; script-src "
)
NO_SCRIPT = POLICY + "'none'"
OWN_SCRIPTS = POLICY + "'self'"
# dbt's page is one script that holds others in itself and evaluates templates.
DBT_SCRIPTS = POLICY + "'self' 'unsafe-inline' 'unsafe-eval'; connect-src 'self' data:"


# What a route needs of the package is imported when it is first asked for: it takes a third of a second, and Airflow
# waits to start.
def pages() -> ModuleType:
    """The views."""
    from anchorspend import views

    return views


def sees_personal(user: GetUserDep) -> bool:
    """Whether the user may see what can hold a payee's name."""
    return bool(get_auth_manager().is_authorized_connection(method="GET", user=user))


def numbers(ids: str) -> list[int]:
    """The numbers of a path such as `4,5,6`."""
    if not all(one.isascii() and one.isdecimal() and len(one) < 19 for one in ids.split(",")):
        raise HTTPException(404, "Batches are named by their numbers, with commas between.")
    return [int(one) for one in ids.split(",")]


def only_who_sees_personal(personal: Annotated[bool, Depends(sees_personal)]) -> None:
    """Refuse everybody else."""
    if not personal:
        raise HTTPException(403, "Data Docs quote rows of the data; they are for those who may read connections.")


Personal = Annotated[bool, Depends(sees_personal)]
Batches = Annotated[list[int], Depends(numbers)]

app = FastAPI(
    title="Anchorspend",
    docs_url=None,
    redoc_url=None,
    openapi_url=None,
    default_response_class=HTMLResponse,
    dependencies=[Depends(requires_access_view(AccessView.WEBSITE))],
)


@app.middleware("http")
async def guarded(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
    """Tell browsers what a page may do, and every cache to keep none."""
    response = await call_next(request)
    response.headers.setdefault("Content-Security-Policy", NO_SCRIPT)
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Referrer-Policy"] = "same-origin"
    response.headers["Cache-Control"] = "private, no-cache"
    return response


def told(request: Request, status: int, text: str) -> Response:
    """What is wrong, for a person or a program."""
    if not for_a_person(request):
        return JSONResponse({"detail": text}, status)
    heading = {403: "Not for your role", 404: "Not there"}.get(status, "That did not work")
    return HTMLResponse(pages().message(heading, text, f"{request.scope['root_path']}/"), status)


def for_a_person(request: Request) -> bool:
    """Whether a browser asks for a page."""
    return "text/html" in request.headers.get("accept", "")


@app.exception_handler(AnyHTTPException)
def refused(request: Request, problem: AnyHTTPException) -> Response:
    """Send a browser that is not logged in to the login and back; tell everyone else what is wrong."""
    if problem.status_code == 401 and for_a_person(request):
        return RedirectResponse(get_auth_manager().get_url_login(next_url=str(request.url)), 303)
    return told(request, problem.status_code, problem.detail)


@app.exception_handler(UserError)
def wrong(request: Request, problem: UserError) -> Response:
    """Tell what a person can put right."""
    return told(request, 404, str(problem))


@app.get("/releases")
def releases(personal: Personal) -> str:
    """Every release."""
    return pages().releases(personal=personal)


@app.get("/release/{release_id}")
def release(release_id: int, personal: Personal) -> str:
    """One release and its checks."""
    return pages().release(release_id, personal=personal)


@app.get("/batch/{ids}")
def batch(ids: Batches, personal: Personal) -> str:
    """One batch or several."""
    return pages().batches(ids, personal=personal)


@app.get("/quarantine/{ids}")
def quarantine(ids: Batches, personal: Personal) -> str:
    """What could not be read of one batch or several."""
    return pages().quarantine(ids, personal=personal)


async def file_of(folder: Path, path: str, request: Request, policy: str, missing: str) -> Response:
    """A file of a folder and of nothing above it, whatever the path says."""
    files = StaticFiles(directory=folder, html=True, check_dir=False)
    try:
        response = await files.get_response(path or ".", request.scope)
    except AnyHTTPException:
        nothing_yet = path in {"", "current/"}
        raise HTTPException(404, missing if nothing_yet else "There is no such page.") from None
    response.headers["Content-Security-Policy"] = policy
    return response


@app.get("/pages/{path:path}")
async def review_page(path: str, request: Request) -> Response:
    """The review pages of every release; `current/` are the published one's."""
    if not path:
        return RedirectResponse(f"{request.scope['root_path']}/pages/current/")
    from anchorspend.pages import folder

    missing = "There are no review pages yet; publishing a release writes them."
    return await file_of(folder(), path, request, OWN_SCRIPTS, missing)


@app.get("/data-docs/{path:path}", dependencies=[Depends(only_who_sees_personal)])
async def data_docs(path: str, request: Request) -> Response:
    """Great Expectations' pages. Their scripts come from elsewhere and would meet cells of the data: none runs."""
    from anchorspend import audit

    folder = audit.data_docs().parent
    if path in {"", "index.html"}:
        return HTMLResponse(pages().data_docs(folder))
    return await file_of(folder, path, request, NO_SCRIPT, "")


@app.get("/dbt-docs/{path:path}")
async def dbt_docs(path: str, request: Request) -> Response:
    """dbt's pages on the models."""
    from anchorspend import model

    missing = "There are no dbt docs yet; `anchorspend dbt-docs` writes them."
    return await file_of(model.docs_page().parent, path, request, DBT_SCRIPTS, missing)
