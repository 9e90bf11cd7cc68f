-- One row per batch of an anchor institution, with the file it read, what it changed in the batch it replaced, and how
-- many things were noticed in its lines. A batch loaded since the suppliers were resolved waits for the next release.
with batch as (select * from {{ source('ops', 'batch') }}),

resolved as (select * from {{ source('reference', 'resolved_batch') }}),

institution as (select * from {{ source('ops', 'institution') }} where institution_type <> 'register'),

file as (select * from {{ source('landing', 'file') }}),

difference as (select * from {{ source('ops', 'batch_difference') }}),

finding as (
    select
        batch_id,
        count(*) as finding_count
    from {{ source('ops', 'finding') }}
    group by batch_id
)

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
    file.is_sample,
    difference.replaced_batch_id,
    difference.lines_added,
    difference.amount_added,
    difference.lines_removed,
    difference.amount_removed,
    difference.lines_changed,
    difference.amount_before,
    difference.amount_after,
    coalesce(finding.finding_count, 0) as finding_count
from batch
inner join file on batch.file_id = file.file_id
left join difference on batch.batch_id = difference.batch_id
left join finding on batch.batch_id = finding.batch_id
inner join institution on batch.institution_id = institution.institution_id
left join resolved on batch.batch_id = resolved.batch_id
where batch.status <> 'loaded' or resolved.batch_id is not null
