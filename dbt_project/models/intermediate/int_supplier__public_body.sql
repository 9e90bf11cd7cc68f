-- One row per supplier record that is a public body, with what says so. The register of public bodies tells first,
-- then the county's own institutions by their names, then the patterns of seed public_body_pattern, by the
-- record's own name and, where that matches none, by the name of the supplier it is resolved to.
{{ config(materialized='table', indexes=[{'columns': ['supplier_record_id'], 'unique': true}]) }}

with recursive record as (
    select
        supplier_record_id,
        institution_id,
        supplier_id,
        supplier_name,
        resolved_name,
        case when register = 'public_body' then register_number end as body_id
    from {{ ref('int_supplier__resolved') }}
    where not is_individual
),

pattern as materialized (
    select
        pattern_id,
        body_type,
        pattern,
        row_number() over (order by position) as place
    from {{ ref('public_body_pattern') }}
),

-- A register's body has one type, whichever of its names is asked for.
body as (
    select distinct on (body_id)
        body_id,
        body_type,
        official_code
    from {{ ref('stg_raw__public_body') }}
    order by body_id, body_type, official_code
),

institution as (
    select institution_id, institution_name, institution_type, gss_code
    from {{ ref('stg_ops__institution') }}
    where institution_type <> 'register'
),

-- The names the county's institutions go by.
called as (
    select institution_id, {{ body_key('institution_name') }} as name_key
    from institution
    union
    select alias.institution_id, {{ body_key('alias.name') }}
    from {{ ref('scope_anchor_name') }} as alias
    inner join institution on alias.institution_id = institution.institution_id
),

anchor_by_name as (
    select name_key, min(institution_id) as institution_id
    from called
    group by name_key
    having count(distinct institution_id) = 1
),

anchor_by_body as (
    select entry.body_id, min(institution.institution_id) as institution_id
    from {{ ref('stg_raw__public_body') }} as entry
    left join anchor_by_name as by_name on {{ body_key('entry.body_name') }} = by_name.name_key
    inner join institution
        on entry.official_code = institution.gss_code or by_name.institution_id = institution.institution_id
    group by entry.body_id
    having count(distinct institution.institution_id) = 1
),

name as materialized (
    select name, regexp_replace(btrim(name), '\s+', ' ', 'g') as plain
    from (
        select supplier_name as name from record where supplier_name is not null
        union
        select resolved_name from record
    ) as written
),

-- One pattern after the other, each on the names that none before it matched: most match one of the first, and to try
-- every pattern on every name takes three times as long.
tried as (
    select
        name,
        plain,
        0::bigint as place,
        false as is_told
    from name
    union all
    select
        tried.name,
        tried.plain,
        pattern.place,
        tried.plain ~* pattern.pattern
    from tried
    inner join pattern on tried.place + 1 = pattern.place
    where not tried.is_told
),

told as (
    select
        tried.name,
        pattern.pattern_id,
        pattern.body_type
    from tried
    inner join pattern on tried.place = pattern.place
    where tried.is_told
),

anchor as (
    select name.name, anchor_by_name.institution_id
    from name
    inner join anchor_by_name on {{ body_key('name.name') }} = anchor_by_name.name_key
),

judged as (
    select
        record.supplier_record_id,
        record.institution_id,
        record.supplier_id,
        body.body_id,
        body.body_type as register_type,
        coalesce(own_told.body_type, supplier_told.body_type) as name_type,
        coalesce(own_told.pattern_id, supplier_told.pattern_id) as pattern_id,
        coalesce(anchor_by_body.institution_id, own_anchor.institution_id, supplier_anchor.institution_id)
            as anchor_institution_id
    from record
    left join body on record.body_id = body.body_id
    left join anchor_by_body on record.body_id = anchor_by_body.body_id
    left join told as own_told on record.supplier_name = own_told.name
    left join told as supplier_told on record.resolved_name = supplier_told.name
    left join anchor as own_anchor on record.supplier_name = own_anchor.name
    left join anchor as supplier_anchor on record.resolved_name = supplier_anchor.name
)

select
    judged.supplier_record_id,
    judged.institution_id,
    judged.supplier_id,
    coalesce(judged.register_type, nullif(judged.name_type, 'none'), institution.institution_type) as body_type,
    case when judged.body_id is not null then 'register' else 'name' end as evidence,
    case
        when judged.body_id is not null then 'public_body ' || judged.body_id
        when judged.anchor_institution_id is not null then 'name of ' || judged.anchor_institution_id
        else judged.pattern_id
    end as reason,
    judged.anchor_institution_id
from judged
left join institution on judged.anchor_institution_id = institution.institution_id
where
    judged.body_id is not null
    or judged.anchor_institution_id is not null
    or judged.name_type <> 'none'
