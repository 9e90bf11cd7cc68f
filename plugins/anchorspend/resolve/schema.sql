-- Tables of the stage `resolve`. Every statement may run again; `resolve` runs them before it works.

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

-- One row per name of an entity in a register, made comparable; rebuilt when a newer version of the register is loaded.
create table if not exists reference.register_name (
    register text not null,
    register_number text not null,
    name text not null,
    core text not null,
    form text not null,
    qualifier text not null,
    postcode text,
    is_current boolean not null, -- the name in force, of an entity that still stands
    company_number text,
    batch_id bigint not null
);
create index if not exists register_name_by_core on reference.register_name (core);
create index if not exists register_name_by_number on reference.register_name (register, register_number);
create index if not exists register_name_by_place on reference.register_name (postcode, left(core, 3));

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
    decided_by text not null,
    reason text not null,
    decided_at timestamptz not null default clock_timestamp(),
    undone_at timestamptz,
    check ((kind = 'register') = (right_records is null))
);
