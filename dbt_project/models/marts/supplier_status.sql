-- One row per measure, definition and supplier record: whether the supplier is in what the measure counts (local, SME,
-- both, voluntary sector, living wage employer) under the definition; null where that is unknown. One shape for the
-- tables that hold the evidence.
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
union all
select
    'local_sme',
    place.definition_id || '_sme',
    place.supplier_record_id,
    place.institution_id,
    case place.local_status when 'local' then true when 'not_local' then false end
    and case size.sme_status when 'sme' then true when 'not_sme' then false end
from {{ ref('supplier_local') }} as place
inner join {{ ref('supplier_size') }} as size on place.supplier_record_id = size.supplier_record_id
inner join {{ ref('kpi_definition') }} as headline
    on size.definition_id = headline.headline_definition and headline.kpi_id = 'sme_spend_pct'
union all
select
    'living_wage',
    'accredited',
    supplier_record_id,
    institution_id,
    -- a private person is no employer
    coalesce(is_living_wage_employer, case when is_individual then false end)
from {{ ref('dim_supplier') }}
