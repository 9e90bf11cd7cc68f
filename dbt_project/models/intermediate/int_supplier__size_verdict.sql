-- One row per SME definition, supplier and piece of evidence, with what the evidence says under the definition.
-- What is known of a supplier alone does not make it an SME while it belongs to a group that may be large.
{{ config(materialized='table') }}

with evidence as (select * from {{ ref('int_supplier__size_evidence') }}),

definition as (select * from {{ ref('sme_definition') }}),

kind as (select * from {{ ref('size_evidence') }}),

meaning as (select * from {{ ref('accounts_category_meaning') }}),

bands as (select * from {{ ref('accounts_category_bands') }}),

accounts_proof as (select * from {{ ref('accounts_category_proof') }}),

employees_proof as (select * from {{ ref('size_employees_proof') }}),

income as (
    select
        max(threshold) filter (where rule_id = 'charity_income_small') as small,
        max(threshold) filter (where rule_id = 'charity_income_large') as large
    from {{ ref('size_rule') }}
),

-- What accounts mean: their class, the limits they were made up under, how sure these are.
understood as (
    select
        evidence.*,
        meaning.size_class,
        bands.bands,
        bands.certainty as bands_certainty
    from evidence
    left join meaning on evidence.accounts_category = meaning.accounts_category
    left join bands
        on
            evidence.evidence_date >= coalesce(bands.made_up_from, '-infinity')
            and evidence.evidence_date <= coalesce(bands.made_up_to, 'infinity')
            and evidence.accounts_category is not null
),

read_under as (
    select
        definition.definition_id,
        definition.version,
        understood.supplier_id,
        understood.evidence_id,
        understood.subject,
        understood.evidence_date,
        understood.evidence_detail,
        understood.is_head,
        understood.size_class,
        understood.employees,
        employees_proof.is_within,
        case
            when understood.evidence_id in ('public_body', 'private_person') then 'not_sme'
            when understood.evidence_id = 'charity' and not definition.counts_charities then 'not_sme'
            when understood.evidence_id = 'employees' then employees_proof.sme_status
            when understood.evidence_id in ('accounts', 'group_accounts') then accounts_proof.sme_status
            when definition.combination = 'employees_where_known' then 'unknown'
            when understood.evidence_id = 'sole_trader' then 'sme'
            -- A vendor goes by employees: its word proves no more than their number would.
            when understood.evidence_id = 'claimed_sme' then employees_proof.sme_status
            when understood.evidence_id = 'charity_income'
                then
                    case
                        when understood.income <= income.small then 'sme'
                        when understood.income > income.large then 'not_sme'
                    end
        end as sme_status,
        case
            when understood.evidence_id = 'public_body' and understood.subject = 'register' then 'proven'
            when understood.evidence_id = 'employees' then employees_proof.certainty
            when understood.evidence_id in ('accounts', 'group_accounts') and understood.bands_certainty = 'proven'
                then accounts_proof.certainty
            else 'likely'
        end as certainty
    from understood
    cross join definition
    cross join income
    left join accounts_proof
        on
            understood.bands = accounts_proof.bands
            and understood.size_class = accounts_proof.size_class
            and case understood.evidence_id
                when 'group_accounts' then definition.group_definition_id else definition.definition_id
            end = accounts_proof.definition_id
    left join employees_proof
        on
            definition.combination = employees_proof.combination
            and case
                when understood.employees is null then understood.claimed_sme
                when definition.employees_up_to_limit then understood.employees <= definition.employee_limit
                else understood.employees < definition.employee_limit
            end = employees_proof.is_within
),

owned as (
    select
        definition_id,
        supplier_id,
        bool_or(evidence_id = 'group_accounts' and is_head and sme_status = 'sme') as is_small_group
    from read_under
    where evidence_id = 'group_accounts' or (evidence_id = 'accounts' and size_class = 'parent')
    group by definition_id, supplier_id
),

-- Accounts that the limits leave open say more than a vendor, who would turn them into a yes or no, and than those of
-- another company that the supplier is linked to as well.
left_open as (
    select distinct
        definition_id,
        supplier_id
    from read_under
    where evidence_id = 'accounts' and sme_status = 'unknown'
),

judged as (
    select
        read_under.*,
        read_under.evidence_id in ('accounts', 'claimed_sme') and left_open.supplier_id is not null as is_overruled,
        kind.is_own_size and owned.supplier_id is not null and not owned.is_small_group as is_of_open_group,
        case
            when read_under.evidence_id = 'group_accounts' and read_under.sme_status = 'not_sme' then 'parent_is_large'
            else read_under.evidence_id
        end as known_by
    from read_under
    inner join kind on read_under.evidence_id = kind.evidence_id
    left join owned
        on read_under.definition_id = owned.definition_id and read_under.supplier_id = owned.supplier_id
    left join left_open
        on read_under.definition_id = left_open.definition_id and read_under.supplier_id = left_open.supplier_id
)

select
    judged.definition_id,
    judged.version,
    judged.supplier_id,
    judged.known_by as evidence_id,
    judged.subject,
    kind.rank,
    kind.is_size,
    kind.is_register,
    judged.is_of_open_group,
    case
        when judged.sme_status is null or judged.is_overruled then 'unknown'
        when judged.sme_status = 'sme' and judged.is_of_open_group then 'unknown'
        when judged.known_by = 'group_accounts' and not judged.is_head then 'unknown'
        else judged.sme_status
    end as sme_status,
    judged.certainty,
    judged.evidence_date,
    judged.evidence_detail,
    case
        when judged.known_by = 'parent_is_large' then 'large'
        when judged.size_class in ('micro', 'small', 'medium', 'large') then judged.size_class
        when judged.employees is null then 'unknown'
        when not judged.is_within then 'large'
        when judged.employees < 10 then 'micro'
        when judged.employees < 50 then 'small'
        else 'medium'
    end as size_band
from judged
inner join kind on judged.known_by = kind.evidence_id
