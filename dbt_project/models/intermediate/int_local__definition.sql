-- One row per definition of local: the version in force on the release's day carries the definition's own id, every
-- other version stands beside it as a definition of its own, `strategy@1`. Of several in force the newest is.
{{ config(materialized='table') }}

with version as (
    select
        *,
        valid_from <= {{ as_of_day() }} and coalesce(valid_to >= {{ as_of_day() }}, true) as is_valid
    from {{ ref('local_definition') }}
),

ranked as (
    select
        *,
        is_valid and version = max(version) filter (where is_valid) over (partition by definition_id) as is_in_force
    from version
),

named as (
    select
        *,
        case when is_in_force then definition_id else definition_id || '@' || version end as judged_id
    from ranked
)

select
    judged_id as definition_id,
    version,
    definition_id as series_id,
    is_in_force,
    owner_institution_id,
    definition_name,
    rule,
    arguments,
    owner,
    valid_from,
    valid_to,
    source,
    note,
    -- A definition in force that is any of others names such as stand, and are not themselves any of others. One not in
    -- force may name what is no longer, or not yet, in force.
    rule <> 'any_of' or not is_in_force or not exists (
        select
        from unnest(string_to_array(named.arguments, ' ')) as member (id)
        left join named as simple on member.id = simple.judged_id and simple.rule <> 'any_of'
        where simple.judged_id is null
    ) as is_complete
from named
