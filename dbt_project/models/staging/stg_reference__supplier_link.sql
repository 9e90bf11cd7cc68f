-- One row per supplier record: the supplier it is taken to be, by which rule and how sure, and its entry in a register.
select
    supplier_record_id::uuid as supplier_record_id,
    supplier_id::uuid as supplier_id,
    rule as resolution_rule,
    probability as link_probability,
    evidence as link_evidence,
    register,
    register_number,
    register_probability
from {{ source('reference', 'supplier_link') }}
