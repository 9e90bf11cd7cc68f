-- The warehouse's own tables, outside what dbt builds. Every statement may run again.
-- raw.<kind> follows anchorspend/kinds.py and is created from it.

create schema if not exists landing;    -- files as they came
create schema if not exists raw;        -- typed lines, and those that could not be typed
create schema if not exists reference;  -- registers of the outside world
create schema if not exists warehouse;  -- facts, append-only
create schema if not exists ops;        -- what was done: batches, releases, audits
create schema if not exists marts;      -- views on the published release

-- One row per version of a file: new bytes under the same name are a new row.
create table if not exists landing.file (
    file_id bigint generated always as identity primary key,
    institution_id text not null,
    feed_id text not null,
    name text not null,
    sha256 char(64) not null,
    size_bytes bigint not null,
    control_name text,
    control_sha256 char(64),
    control_modified_at timestamptz,
    source text not null,
    modified_at timestamptz not null,
    landed_at timestamptz not null default clock_timestamp(),
    is_sample boolean not null
);
create index if not exists file_by_name on landing.file (institution_id, feed_id, name, file_id desc);

-- One row per web address that gave a file, with the marks its server put on it, to ask only for what is newer.
create table if not exists landing.address (
    institution_id text not null,
    feed_id text not null,
    url text not null,
    name text not null,
    etag text,
    last_modified text,
    primary key (institution_id, feed_id, url)
);

-- One row per feed whose source was looked at, with what went wrong the last time; null where nothing did.
create table if not exists landing.look (
    institution_id text not null,
    feed_id text not null,
    looked_at timestamptz not null default clock_timestamp(),
    problem text,
    primary key (institution_id, feed_id)
);

-- One row per reading of a file under one layout. Lines and pounds: read = loaded + quarantined.
create table if not exists ops.batch (
    batch_id bigint generated always as identity primary key,
    file_id bigint not null references landing.file,
    institution_id text not null,
    feed_id text not null,
    kind text not null,
    layout_digest text not null,
    status text not null check (status in ('loading', 'loaded', 'refused')),
    reason text,
    change_note text, -- for the publisher, where the layout is not the agreed one
    period_label text,
    period_first date,
    period_last date,
    vat_basis text not null,
    encoding text,
    lines_read bigint,
    lines_loaded bigint,
    lines_quarantined bigint,
    amount_read numeric,
    amount_loaded numeric,
    amount_quarantined numeric,
    control_amount numeric,
    control_lines bigint,
    started_at timestamptz not null default clock_timestamp(),
    finished_at timestamptz,
    unique (file_id, layout_digest),
    check (
        status <> 'loaded'
        or (lines_read = lines_loaded + lines_quarantined and amount_read = amount_loaded + amount_quarantined)
    )
);
alter table ops.batch add column if not exists change_note text;
create index if not exists batch_by_period on ops.batch (institution_id, feed_id, period_label, batch_id desc);

-- One row per loaded batch that replaced an earlier one of the same feed and period: how its lines differ from it.
create table if not exists ops.batch_difference (
    batch_id bigint primary key references ops.batch,
    replaced_batch_id bigint not null references ops.batch,
    lines_added bigint not null,
    amount_added numeric not null,
    lines_removed bigint not null,
    amount_removed numeric not null,
    lines_changed bigint not null,
    amount_before numeric not null,
    amount_after numeric not null
);

-- One row per line that a later version of its file added, removed or changed; changed lines share their reference.
create table if not exists ops.line_difference (
    batch_id bigint not null references ops.batch_difference,
    change text not null check (change in ('added', 'removed', 'changed')),
    line_no integer,
    replaced_line_no integer,
    amount numeric,
    replaced_amount numeric
);
create index if not exists line_difference_by_batch on ops.line_difference (batch_id);

-- One row per thing noticed in the lines of a batch that were loaded as they stand, such as a spreadsheet's damage.
create table if not exists ops.finding (
    batch_id bigint not null references ops.batch,
    field text not null,
    column_name text not null,
    reason text not null,
    lines bigint not null,
    example text not null,
    source_row integer not null
);
create index if not exists finding_by_batch on ops.finding (batch_id);

-- One row per line that could not be typed, with every cell as it stood and every problem found in it:
-- problems is a list of {"field", "column", "value", "reason"}.
create table if not exists raw.quarantine (
    batch_id bigint not null references ops.batch,
    line_no integer not null,
    sheet text,
    source_row integer not null,
    amount numeric,
    problems jsonb not null,
    cells jsonb not null,
    primary key (batch_id, line_no)
);

create or replace view ops.quarantine as
select
    batch.institution_id,
    batch.feed_id,
    file.name as file,
    line.sheet,
    line.source_row,
    problem.value ->> 'column' as column_name,
    problem.value ->> 'value' as value,
    problem.value ->> 'reason' as reason,
    line.amount,
    line.batch_id,
    line.line_no,
    line.cells
from raw.quarantine as line
inner join ops.batch on line.batch_id = batch.batch_id
inner join landing.file on batch.file_id = file.file_id
cross join lateral jsonb_array_elements(line.problems) as problem;

-- One row per institution and per feed of the institution files, as the newest load or release found them.
create table if not exists ops.institution (
    institution_id text primary key,
    institution_name text not null,
    institution_type text not null,
    gss_code text,
    financial_year_start integer not null check (financial_year_start between 1 and 12),
    active_from date,
    active_to date,
    predecessors text[] not null
);
create table if not exists ops.feed (
    institution_id text not null references ops.institution,
    feed_id text not null,
    kind text not null,
    description text not null,
    vat_basis text not null,
    publishes_over numeric not null,
    due_every text,
    due_days integer,
    due_from date,
    due_to date,
    position integer,  -- its place in the institution file: of two feeds with one invoice the first counts
    detail_of text,    -- feed whose lines hold these pounds already
    primary key (institution_id, feed_id)
);
alter table ops.feed add column if not exists position integer, add column if not exists detail_of text;

-- One row per register that was loaded.
create table if not exists reference.register (
    register_id text primary key,
    version text not null,
    source text not null,
    licence text not null,
    row_count bigint not null,
    loaded_at timestamptz not null default clock_timestamp()
);

-- One row per postcode ever in use, written without its space. Grid position in metres, Ordnance Survey National Grid.
create table if not exists reference.postcode (
    postcode text primary key,
    authority_code text,
    easting integer,
    northing integer
);

-- One row per postcode district with the middle of its postcodes, in degrees. Of the postcodes, and written with them.
create table if not exists reference.postcode_district (
    postcode_district text primary key,
    latitude numeric(7, 5) not null,
    longitude numeric(8, 5) not null
);

-- A postcode without spaces and marks, in capitals; empty becomes null.
create or replace function raw.clean_postcode(written text) returns text
language sql immutable parallel safe
return nullif(upper(regexp_replace(written, '[^A-Za-z0-9]', '', 'g')), '');

-- The key of an institution's own supplier record: its number, name and postcode as written, case and spacing apart.
-- The same record has the same key in every batch and every release.
create or replace function raw.supplier_record_id(
    institution_id text, supplier_ref text, supplier_name text, supplier_postcode text
) returns uuid
language sql immutable parallel safe
return md5(
    concat_ws(
        '|', institution_id, coalesce(upper(supplier_ref), ''),
        coalesce(upper(regexp_replace(supplier_name, '\s+', ' ', 'g')), ''),
        coalesce(raw.clean_postcode(supplier_postcode), '')
    )
)::uuid;

-- One row per supplier record of an institution ever seen, as first written, with the newest register numbers it was
-- given. It holds payees' names as published, private persons' too, and so stays in raw, which nobody reads but the
-- owner.
create table if not exists raw.supplier_record (
    supplier_record_id uuid primary key,
    institution_id text not null,
    supplier_ref text,
    supplier_name text,
    supplier_postcode text,
    company_number text,
    charity_number text,
    vat_number text,
    batch_id bigint not null
);

-- One row per supplier record whose true supplier is known beforehand: the truth of the sample county.
create table if not exists reference.known_supplier (
    supplier_record_id uuid primary key,
    true_supplier_id text not null
);

-- One row per batch whose supplier records are resolved. A release is made from these batches and no later ones.
create table if not exists reference.resolved_batch (
    batch_id bigint primary key references ops.batch
);

-- One row per run that changed or redid something.
create table if not exists reference.resolution_run (
    run_id bigint generated always as identity primary key,
    at timestamptz not null default clock_timestamp(),
    is_full boolean not null,
    records bigint not null,
    new_records bigint not null,
    suppliers bigint not null,
    seconds numeric not null,
    model_digest text not null,
    registers_digest text not null,
    decisions_digest text not null
);

-- One row per supplier across institutions.
create table if not exists reference.supplier (
    supplier_id text primary key,
    name text,
    register text check (register in ('company', 'charity', 'mutual', 'public_body')),
    register_number text,
    first_seen_run bigint not null
);

-- One row per supplier id that stands for another supplier since a merge.
create table if not exists reference.supplier_retired (
    supplier_id text primary key,
    now_supplier_id text not null,
    run_id bigint not null
);

-- One row per supplier record of an institution: which supplier it is, by which rule, and what else was near.
-- probability: that the record is this supplier's; for own_record, that it is nobody else's.
create table if not exists reference.supplier_link (
    supplier_record_id text primary key,
    institution_id text not null,
    supplier_id text not null,
    rule text not null check (
        rule in (
            'decision', 'company_number', 'charity_number', 'vat_number', 'register_name', 'model', 'own_record'
        )
    ),
    probability numeric not null,
    evidence text not null,
    alternatives jsonb not null,
    register text,
    register_number text,
    register_probability numeric,
    record_digest text not null,
    run_id bigint not null
);
create index if not exists supplier_link_by_supplier on reference.supplier_link (supplier_id);

-- One row per name of an entity in a register, made comparable. Each register's partition is made anew when another
-- version of it is loaded, and given the indexes when it is full.
do $$
begin
    if exists (select from pg_class where oid = to_regclass('reference.register_name') and relkind = 'r') then
        drop table reference.register_name;  -- from before it had partitions; the next release makes it again
    end if;
end
$$;
create table if not exists reference.register_name (
    register text not null,
    register_number text not null,
    name text not null,
    core text not null,
    form text not null,
    qualifier text not null,
    postcode text,
    is_current boolean not null, -- the name in force, of an entity that still stands
    company_number text
) partition by list (register);
create index if not exists register_name_by_core on reference.register_name (core);
create index if not exists register_name_by_number on reference.register_name (register, register_number);
create index if not exists register_name_by_place on reference.register_name (postcode, left(core, 3));

-- One row per register whose names are made comparable: the batches and the rules they are made from, and how many.
create table if not exists reference.compared_register (
    register text primary key,
    version text not null,
    names bigint not null
);

-- One row per decision of a person about suppliers. The newest that is not undone wins over every rule.
create table if not exists ops.supplier_decision (
    decision_id bigint generated always as identity primary key,
    kind text not null check (kind in ('same', 'different', 'register')),
    left_id text not null,  -- record or supplier id as given
    right_id text,
    left_records text[] not null, -- the supplier records meant, as they stood when it was decided
    right_records text[],
    register text check (register in ('company', 'charity', 'mutual', 'public_body')),
    register_number text,
    were_linked boolean, -- for same and different: whether the two stood as one supplier when it was decided
    decided_by text not null,
    reason text not null,
    decided_at timestamptz not null default clock_timestamp(),
    undone_at timestamptz,
    check ((kind = 'register') = (right_records is null))
);

-- One row per attempt to make a release.
create table if not exists ops.release (
    release_id integer generated always as identity primary key,
    status text not null,
    reason text, -- why it failed, or was withdrawn
    inputs_digest text not null,
    opened_at timestamptz not null default clock_timestamp(),
    closed_at timestamptz,
    schema_name text unique,
    is_sample boolean,
    batches bigint,
    lines bigint,
    amount numeric,
    withdrawn_at timestamptz,
    withdrawn_by text
);
alter table ops.release
add column if not exists withdrawn_at timestamptz,
add column if not exists withdrawn_by text,
drop constraint if exists release_status_check,
add constraint release_status_check check (status in ('building', 'published', 'failed', 'withdrawn'));

-- One row per release and person or body that stands behind it.
create table if not exists ops.release_signature (
    release_id integer not null references ops.release,
    signed_by text not null,
    note text,
    signed_at timestamptz not null default clock_timestamp(),
    primary key (release_id, signed_by)
);

-- One row per batch that a published release counted.
create table if not exists ops.release_batch (
    release_id integer not null references ops.release,
    batch_id bigint not null references ops.batch,
    primary key (release_id, batch_id)
);

-- One row per check of a release, with examples of what failed.
create table if not exists ops.audit (
    release_id integer not null references ops.release,
    suite text not null,
    check_no integer not null,
    description text not null,
    severity text not null check (severity in ('critical', 'warning', 'info')),
    owner text not null,
    passed boolean not null,
    observed text,
    examples jsonb,
    checked_at timestamptz not null default clock_timestamp(),
    primary key (release_id, suite, check_no)
);

-- What stands published now, for checks that compare a candidate with it; publish re-points it with the marts.
do $$
begin
    if to_regclass('ops.published_scorecard') is null then
        create view ops.published_scorecard as
        select
            null::text as kpi_id, null::text as institution_id, null::text as financial_year,
            null::text as definition_id, null::numeric as value
        where false;
    end if;
end
$$;
