-- One row per batch, with the file it read.
with batch as (select * from {{ source('ops', 'batch') }}),

file as (select * from {{ source('landing', 'file') }})

select
    batch.batch_id,
    batch.institution_id,
    batch.feed_id,
    batch.kind,
    batch.kind in ('ledger', 'card', 'observatory') as is_spend,
    batch.status,
    batch.reason,
    batch.period_label,
    batch.period_first,
    batch.period_last,
    batch.vat_basis,
    batch.lines_read,
    batch.lines_loaded,
    batch.lines_quarantined,
    batch.amount_read,
    batch.amount_loaded,
    batch.amount_quarantined,
    batch.control_amount,
    batch.finished_at as loaded_at,
    file.name as file_name,
    file.sha256,
    file.landed_at,
    file.is_sample
from batch
inner join file on batch.file_id = file.file_id
