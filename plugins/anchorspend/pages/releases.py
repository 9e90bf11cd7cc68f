"""Releases: what was published when, and what each release changed in the figures and the files of the one before."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from anchorspend import pages
from anchorspend.pages import formats, scorecard
from anchorspend.pages.marts import Marts
from anchorspend.pages.parts import Block, Cell, Column, Link, Page, Section, Status, Table, Text

_HISTORY = "select * from marts.release order by release_id desc"

_HEADLINE_FIRST = """
    revision.kpi_id <> 'local_spend_pct', revision.definition_id is distinct from kpi.headline_definition,
    revision.institution_id <> 'partnership', revision.financial_year desc, abs(revision.change) desc nulls last,
    kpi_name, definition_name, institution_name
"""

_FILES = """
    select version.*, version.landed_at::date as landed_on, institution.institution_name
    from marts.feed_version as version
    inner join marts.dim_institution as institution on version.institution_id = institution.institution_id
    where version.replaced_batch_id is not null or version.status = 'refused'
        or version.loaded_at > (
            select max(published_at) from marts.release
            where release_id < (select max(release_id) from marts.release)
        )
    order by version.landed_at desc, version.batch_id desc
"""

_KIND = {"changed": Status("Changed", "doubt"), "new": Status("New", "good"), "gone": Status("Gone", "bad")}


def page(marts: Marts) -> Page:
    """The history of what was published."""
    history = marts.rows(_HISTORY)
    files = marts.rows(_FILES)
    newest = history[0]
    return Page(
        "releases",
        "Releases",
        f"Release {newest.release_id} was published on {formats.day(newest.published_at)}, from "
        f"{formats.of(newest.batches, 'file')}. Releases are never changed: a correction is a new one, and this page "
        "says what it changed.",
        [
            Section("differences", "What this release changed in the figures", _differences(marts, history)),
            Section("corrections", "Files that were corrected", _corrections(files)),
            Section("new-files", "Files that are new or refused", _new(files, history)),
            Section("history", "Every release", _history(history)),
        ],
    )


def _differences(marts: Marts, history: Sequence[Any]) -> list[Block]:
    if len(history) == 1:
        return [Text.of("This is the first release: there is nothing to compare it with.")]
    rows = scorecard.revisions(marts, _HEADLINE_FIRST)
    before = history[1].release_id
    if not rows:
        return [Text.of(f"Every figure is as in release {before}.")]
    kinds = Counter(one.kind for one in rows)
    headline = next(
        (
            one
            for one in rows
            if one.kpi_id == "local_spend_pct"
            and one.definition_id == marts.headline
            and one.institution_id == "partnership"
            and one.change is not None
        ),
        None,
    )
    said = (
        f"{formats.of(kinds['changed'], 'figure is', 'figures are')} not as in release {before}, "
        f"{formats.count(kinds['new'])} new, {formats.count(kinds['gone'])} gone."
    )
    if headline:
        said += (
            f" The local share of all together in {headline.financial_year} went from "
            f"{formats.share(headline.value_before)} to {formats.share(headline.value)}."
        )
    return [
        Text.of(said),
        Table(
            "kpi_revisions",
            f"Figures that are not as in release {before}, the headline first",
            [
                Column("Measure"),
                Column("Institution"),
                Column("Year"),
                Column("Counted as"),
                Column("What", "status"),
                *(Column(heading, "count") for heading in ("Before", "Now", "Change")),
            ],
            [
                [
                    one.kpi_name if one.kind == "gone" else scorecard.kpi_link(one.kpi_id, one.kpi_name),
                    one.institution_name,
                    one.financial_year,
                    one.definition_name,
                    _KIND[one.kind],
                    "none" if one.kind == "new" else scorecard.revised(one, one.value_before),
                    "none" if one.kind == "gone" else scorecard.revised(one, one.value),
                    scorecard.difference(one),
                ]
                for one in rows
            ],
        ),
    ]


def _corrections(files: Sequence[Any]) -> list[Block]:
    corrected = [one for one in files if one.replaced_batch_id is not None]
    if not corrected:
        return [Text.of("No file was replaced by a newer version.")]
    return [
        Text.of(
            f"{formats.of(len(corrected), 'file')} took the place of an earlier version. Lines that carry one "
            "reference on both sides are one line changed; without a reference a line was added or removed."
        ),
        Table(
            "corrected_files",
            "Newer versions of a file, newest first, and what they changed",
            [
                Column("File"),
                Column("Institution"),
                Column("Feed"),
                Column("Period"),
                Column("Came", "date"),
                Column("Lines added", "count"),
                Column("Pounds", "pounds"),
                Column("Lines removed", "count"),
                Column("Pounds ", "pounds"),
                Column("Lines changed", "count"),
                Column("Pounds before", "pounds"),
                Column("Pounds after", "pounds"),
                Column("State", "status"),
            ],
            [
                [
                    one.file_name,
                    one.institution_name,
                    one.feed_id,
                    one.period_label,
                    one.landed_on,
                    *(one.lines_added, one.amount_added, one.lines_removed, one.amount_removed),
                    *(one.lines_changed, one.amount_before, one.amount_after),
                    _counted(one),
                ]
                for one in corrected
            ],
        ),
    ]


def _new(files: Sequence[Any], history: Sequence[Any]) -> list[Block]:
    new = [one for one in files if one.replaced_batch_id is None]
    refused = sum(one.status == "refused" for one in new)
    if not new:
        since = "" if len(history) == 1 else f" No other file came since release {history[1].release_id}."
        return [Text.of(f"No file stands refused.{since}")]
    return [
        Text.of(
            f"{formats.of(len(new) - refused, 'new file')} came since the release before; "
            f"{formats.of(refused, 'file stands', 'files stand')} refused, and nothing of such a file is in a figure."
        ),
        Table(
            "new_files",
            "Files that are new since the release before, or refused",
            [
                Column("File"),
                Column("Institution"),
                Column("Feed"),
                Column("Period"),
                Column("Came", "date"),
                Column("Lines", "count"),
                Column("Pounds", "pounds"),
                Column("State", "status"),
            ],
            [
                [
                    one.file_name,
                    one.institution_name,
                    one.feed_id,
                    one.period_label or "not known",
                    one.landed_on,
                    "none read" if one.lines_loaded is None else one.lines_loaded,
                    "none read" if one.amount_loaded is None else one.amount_loaded,
                    _counted(one),
                ]
                for one in new
            ],
        ),
    ]


def _counted(version: Any) -> Status:
    if version.counted:
        return Status("In the figures", "good")
    return Status(version.reason_code.replace("_", " ").capitalize(), "bad" if version.status == "refused" else "doubt")


def _history(history: Sequence[Any]) -> list[Block]:
    return [
        Table(
            "releases",
            "Releases, newest first",
            [
                Column("Release"),
                Column("Published", "date"),
                Column("Files", "count"),
                Column("Lines", "count"),
                Column("Pounds", "pounds"),
                Column("Data"),
                Column("Its pages"),
            ],
            [
                [
                    f"Release {one.release_id}",
                    one.published_at.date(),
                    *(one.batches, one.lines, one.amount),
                    "sample" if one.is_sample else "real",
                    _pages(one, one is history[0]),
                ]
                for one in history
            ],
        ),
        Text.of("The figures of an earlier release stay as they were, in the database and on its pages."),
    ]


def _pages(release: Any, is_this: bool) -> Cell:
    if is_this:
        return "these"
    first = pages.of_release(release.schema_name)
    if first.exists():
        return Link(f"Pages of release {release.release_id}", f"../{first.parent.name}/{first.name}")
    return "none written"
