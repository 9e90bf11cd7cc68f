-- One row per supplier record whose true supplier is known beforehand: the truth of the sample county.
select
    supplier_record_id,
    true_supplier_id
from {{ source('reference', 'known_supplier') }}
