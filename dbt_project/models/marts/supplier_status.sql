-- One row per measure, definition and supplier record: whether the supplier is in what the measure counts (local, SME,
-- voluntary sector) under the definition; null where that is unknown. One shape for the tables that hold the evidence.
{{ config(materialized='view') }}

select
    'local' as measure,
    definition_id,
    supplier_record_id,
    institution_id,
    case local_status when 'local' then true when 'not_local' then false end as is_in
from {{ ref('supplier_local') }}
union all
select
    'sme',
    definition_id,
    supplier_record_id,
    institution_id,
    case sme_status when 'sme' then true when 'not_sme' then false end
from {{ ref('supplier_size') }}
union all
select
    'vcs',
    definition_id,
    supplier_record_id,
    institution_id,
    case vcs_status when 'voluntary' then true when 'not_voluntary' then false end
from {{ ref('supplier_sector') }}
