-- One row per institution that others did not replace, or that replaced others, and institution whose figures continue
-- in it: itself and, step by step, its predecessors. Summed over a series, a year in which both paid is whole.
with recursive institution as (
    select institution_id, institution_name, active_from, active_to, string_to_array(predecessors, ' ') as predecessors
    from {{ ref('dim_institution') }}
),

chain as (
    select
        institution_id as series_id,
        institution_id,
        0 as steps,
        array[institution_id] as passed
    from institution
    union all
    select
        chain.series_id,
        before.institution_id,
        chain.steps + 1,
        chain.passed || before.institution_id
    from chain
    inner join institution on chain.institution_id = institution.institution_id
    -- an institution file may name itself, or one that came later, by mistake
    inner join institution as before
        on before.institution_id = any(institution.predecessors) and before.institution_id <> all(chain.passed)
)

select
    chain.series_id,
    chain.institution_id,
    min(chain.steps) as steps,
    institution.active_from,
    institution.active_to
from chain
inner join institution on chain.institution_id = institution.institution_id
group by chain.series_id, chain.institution_id, institution.active_from, institution.active_to
