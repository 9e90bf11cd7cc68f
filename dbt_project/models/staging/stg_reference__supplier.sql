-- One row per supplier across institutions, as resolved. A private person has no name here.
select
    supplier_id::uuid as supplier_id,
    name as supplier_name,
    register,
    register_number
from {{ source('reference', 'supplier') }}
