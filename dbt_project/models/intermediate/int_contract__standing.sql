-- One row per contract and supplier of an institution's register, as its newest version has it: of the snapshot with
-- the latest period in which the reference stands. What has ended leaves the next snapshot and stays here.
-- register_day: the last day of the newest snapshot; is_current: the contract still stands in that one.
{{ config(materialized='table') }}

with line as (select * from {{ ref('stg_raw__contract') }}),

batch as (
    select
        *,
        max(period_last) over (partition by institution_id, feed_id) as register_day
    from {{ ref('int_batch__counted') }}
    where kind = 'contract'
),

label as (select * from {{ ref('int_category__label') }}),

supplier as (select * from {{ ref('int_supplier__resolved') }}),

-- The names the county's institutions go by, for who leads a joint procurement.
called as (
    select institution_id, {{ body_key('institution_name') }} as name_key from {{ ref('stg_ops__institution') }}
    union
    select institution_id, {{ body_key('name') }} from {{ ref('scope_anchor_name') }}
),

anchor as (
    select name_key, min(institution_id) as institution_id
    from called
    group by name_key
    having count(distinct institution_id) = 1
),

version as (
    select
        batch.institution_id,
        batch.period_last,
        batch.register_day,
        line.*,
        raw.supplier_record_id(
            batch.institution_id, line.supplier_ref, line.supplier_name, line.supplier_postcode
        ) as supplier_record_id,
        dense_rank() over (
            partition by batch.institution_id, line.contract_ref order by batch.period_last desc, batch.batch_id desc
        ) as version_no,
        count(*) over (partition by batch.institution_id, line.contract_ref) as version_count
    from line
    inner join batch on line.batch_id = batch.batch_id
),

-- A contract with several suppliers has a line for each; the same supplier twice is one.
newest as (
    select distinct on (institution_id, contract_ref, supplier_record_id) *
    from version
    where version_no = 1
    order by institution_id, contract_ref, supplier_record_id, line_no
),

numbered as (
    select
        *,
        row_number() over (partition by institution_id, contract_ref order by line_no) as supplier_no
    from newest
)

select
    numbered.institution_id || ':' || numbered.contract_ref
    || case when numbered.supplier_no > 1 then '#' || numbered.supplier_no else '' end as contract_id,
    numbered.institution_id,
    numbered.contract_ref,
    supplier.supplier_record_id,
    supplier.supplier_id,
    coalesce(supplier.is_individual, false) as is_individual,
    numbered.title,
    numbered.contract_type,
    numbered.organisational_unit,
    coalesce(numbered.category_code, label.category_code) as category_code,
    numbered.category_label,
    case
        when numbered.category_code is not null then 'code' else coalesce(label.category_basis, 'unknown')
    end as category_basis,
    numbered.cpv_code,
    numbered.process_type,
    numbered.route,
    numbered.start_date,
    numbered.end_date,
    numbered.review_date,
    numbered.last_extension_date,
    numbered.contract_value,
    numbered.lead_body,
    anchor.institution_id as lead_institution_id,
    numbered.partner_bodies,
    numbered.claimed_sme,
    numbered.claimed_vcse,
    numbered.ocid,
    numbered.register_day,
    numbered.period_last = numbered.register_day as is_current,
    numbered.version_count,
    numbered.batch_id,
    numbered.line_no,
    numbered.sheet,
    numbered.source_row
from numbered
left join supplier on numbered.supplier_record_id = supplier.supplier_record_id
left join label on {{ label_key('numbered.category_label') }} = label.label_key
left join anchor on {{ body_key('numbered.lead_body') }} = anchor.name_key
