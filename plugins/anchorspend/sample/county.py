"""The sample county: its world, its institutions' files and the truth about them, from one seed."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd

from anchorspend.sample.bidders import Bidders
from anchorspend.sample.cards import card_bills, card_lines, card_merchants, publish_cards
from anchorspend.sample.cells import targets
from anchorspend.sample.contracts import contracts, paid_under, publish_contracts
from anchorspend.sample.entities import entities
from anchorspend.sample.geography import Geography, geography
from anchorspend.sample.ledgers import ledger_lines
from anchorspend.sample.notices import choose_noticed, publish_notices
from anchorspend.sample.observatory import publish_observatory
from anchorspend.sample.outside import AS_OF, Outside
from anchorspend.sample.portal import opportunities, publish_portal
from anchorspend.sample.procurement import procurement
from anchorspend.sample.publish import Account, publish_ledger
from anchorspend.sample.registers import Dated, events, exemptions, savings, social_value
from anchorspend.sample.tables import YEARS, Body, TableFiles, bodies
from anchorspend.sample.tabular import by_period, publish_tables
from anchorspend.sample.truth import Feed, write_truth
from anchorspend.sample.truth_procurement import Bought
from anchorspend.sample.vendors import damage_postcodes, lose_postcodes, vendor_records
from anchorspend.sample.world import World

_NOTE = """\
This is a sample. Every supplier, person and payment in these folders is made up; only the names of the public bodies
and the postcodes are real. The amounts are not theirs. Anchorspend wrote it from seed {seed} at scale {scale}.
"""


def write_county(
    inbox: Path,
    truth: Path,
    *,
    seed: int = 2018,
    scale: float = 1.0,
    registers_as_of: date = AS_OF,
    progress: Callable[[str], None] | None = None,
) -> None:
    """Write the sample county's files into an inbox, and the truth about them into a folder of its own.

    Files go to `<inbox>/<institution_id>/<feed_id>/`, where `dags/institutions/*.yml` look, and `<inbox>/SAMPLE` says
    what they are. `truth` holds the files that `sample.truth` and `sample.truth_procurement` describe. `scale`
    multiplies the number of lines (about 280,000 over three years at 1) and, below 1, of suppliers; pounds stay the
    same, and so do the institutions' registers, portals and notices. The registers of the outside world are those of
    the day `registers_as_of`. The same seed and scale give the same bytes. `progress` is told of each institution, and
    of the registers, when it is done.
    """
    many = len(bodies())
    world_rng, *rngs = np.random.default_rng(seed).spawn(3 + 3 * many)
    county = _County(inbox, World(world_rng, geography()), geography(), scale)
    # Three generators for each body: how it buys, and what becomes of postcodes, can change without what it pays.
    streams = zip(bodies(), rngs[:many], rngs[many : 2 * many], rngs[2 * many : 3 * many], strict=True)
    for institution_id, pays, buys, damages in streams:
        before = len(county.feeds)
        county.write(institution_id, pays, buys, damages)
        if progress:
            progress(f"{institution_id}: {_lines(county.feeds[before:]):,} lines")
    law = entities(rngs[-2], county.world.suppliers, county.geography)
    outside = Outside(rngs[-1], county.geography, county.world.suppliers, law, scale, registers_as_of)
    written = outside.write(inbox / "registers")
    registers = [Feed("registers", feed_id, counts=False, account=account) for feed_id, account in written.items()]
    if progress:
        progress(f"registers: {_lines(registers):,} lines")
    feeds = [*county.feeds, *registers]
    write_truth(truth, county.geography, county.world.suppliers, law, feeds, county.bought, registers_as_of)
    inbox.joinpath("SAMPLE").write_text(_NOTE.format(seed=seed, scale=scale), encoding="utf-8")


def _lines(feeds: list[Feed]) -> int:
    return sum(batch.lines for feed in feeds for batch in feed.account.batches)


@dataclass
class _County:
    """What is written so far, and what one body leaves to those after it."""

    inbox: Path
    world: World
    geography: Geography
    scale: float
    feeds: list[Feed] = field(default_factory=list)
    bought: list[Bought] = field(default_factory=list)
    joint: dict[str, int] = field(default_factory=dict)

    def write(
        self, institution_id: str, pays: np.random.Generator, buys: np.random.Generator, damages: np.random.Generator
    ) -> None:
        """Write every feed of one institution."""
        body, plan, suppliers = bodies()[institution_id], procurement(institution_id), self.world.suppliers
        folder = self.inbox / institution_id
        issuer = self.world.card_issuer() if plan.card and plan.card.in_ledger else None
        years = {year: targets(institution_id, year, self.scale) for year in YEARS}
        records = vendor_records(pays, self.world, self.geography, institution_id, body, years, card_issuer=issuer)
        bills = pd.DataFrame({"year": [], "payment_date": [], "pence": []}, dtype=np.int64)
        if plan.card:
            merchants = card_merchants(buys, suppliers)
            cards = card_lines(buys, body, plan.card, suppliers, merchants, self.scale)
            bills = card_bills(body, cards) if plan.card.in_ledger else bills
        lines = ledger_lines(pays, body, suppliers, records, years, bills)
        lose_postcodes(pays, body, records, lines)
        damage_postcodes(damages, records)
        bought = self._bought(institution_id, body, buys, records, lines)
        lines["contract_ref"] = paid_under(buys, lines, bought.contracts)
        if body.ledger:
            self._add(
                institution_id, "ledger", publish_ledger(pays, folder / "ledger", body, records, lines), counts=True
            )
        if body.observatory:
            account = publish_observatory(pays, folder / "observatory", body, suppliers, records, lines)
            self._add(institution_id, "observatory", account, counts=not body.ledger)
        if plan.card:
            published = publish_cards(buys, folder / "card", body, suppliers, merchants, cards)
            self._add(institution_id, "card", published, counts=not plan.card.in_ledger)
        self._procured(institution_id, body, buys, records, bought)
        self.bought.append(bought)

    def _bought(
        self, institution_id: str, body: Body, rng: np.random.Generator, records: pd.DataFrame, lines: pd.DataFrame
    ) -> Bought:
        """What an institution tendered and has under contract; its opportunities know their contracts."""
        plan = procurement(institution_id)
        bidders = Bidders(self.world.suppliers, records)
        found = opportunities(rng, institution_id, body, plan, bidders)
        if body.notice:
            choose_noticed(rng, found)
        made = []
        if plan.contract:
            paid = lines.groupby(records.supplier.to_numpy()[lines.record]).net_pence.sum()
            paid = paid[[position for position in paid.index if bidders.record(position) is not None]]
            made = contracts(rng, institution_id, body, plan.contract, bidders, paid, found, self.joint)
        return Bought(institution_id, bidders, found, made)

    def _procured(
        self, institution_id: str, body: Body, rng: np.random.Generator, records: pd.DataFrame, bought: Bought
    ) -> None:
        """Write the feeds of how an institution buys."""
        plan, folder, bidders = procurement(institution_id), self.inbox / institution_id, bought.bidders
        if body.portal:
            account = publish_portal(rng, folder / "portal", body, plan, bidders, bought.opportunities)
            self._add(institution_id, "portal", account)
        if body.contract:
            account = publish_contracts(
                rng, folder / "contract", institution_id, body, bidders, records, bought.contracts
            )
            self._add(institution_id, "contract", account)
        if body.notice:
            told = publish_notices(rng, folder / "notice", institution_id, body, bidders, bought.opportunities)
            self._add(institution_id, "notice", told)
        small: list[tuple[str, TableFiles | None, Dated, str]] = []
        if plan.exemption:
            small.append(
                ("exemption", body.exemption, exemptions(rng, body, plan.exemption, bidders), "exemption_value")
            )
        if plan.saving:
            small.append(("saving", body.saving, savings(rng, body, plan.saving, bought.contracts), "saving_amount"))
        if plan.event:
            small.append(("event", body.event, events(rng, body, plan.event), ""))
        if plan.social_value:
            rows = social_value(rng, body, plan.social_value, bidders, bought.contracts)
            small.append(("social_value", body.social_value, rows, "promised_amount"))
        for feed_id, files, dated, amount in small:
            assert files, "what is planned is published"
            held = by_period(files, body.year_starts, dated)
            account = publish_tables(rng, folder / feed_id, files, body.year_starts, held, amount)
            self._add(institution_id, feed_id, account)
            bought.registers[feed_id] = account

    def _add(self, institution_id: str, feed_id: str, account: Account, *, counts: bool = False) -> None:
        self.feeds.append(Feed(institution_id, feed_id, counts=counts, account=account))
