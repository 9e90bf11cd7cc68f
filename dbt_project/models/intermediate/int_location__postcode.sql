-- One row per written postcode of a supplier record or a register entry, with what it is read as.
-- reading: `listed` stands in the ONS list as written; `lookalike` does with letters and digits of one shape exchanged
-- (seed location_lookalike); `within` is a listed postcode inside a longer text; `outward` and `sector` are the first
-- part of listed postcodes; `several`: more than one listed postcode fits, so none is taken; `not_listed`.
-- The ONS list holds terminated postcodes without their end, so one that was closed is `listed` too.
-- The list is read where it is needed and not named once for all: PostgreSQL would write all of it down.
-- place_id is the postcode that is meant, or the first part of it, which is all that is known, and an asterisk.
{{ config(materialized='table') }}

with recursive written as (
    select supplier_postcode as written from {{ ref('int_supplier__resolved') }} where supplier_postcode is not null
    union
    select written from {{ ref('int_location__register') }} where written is not null
),

lookalike as (select * from {{ ref('location_lookalike') }}),

listed as (
    select written.written
    from written
    inner join {{ ref('stg_reference__postcode') }} as postcode on written.written = postcode.postcode
),

unlisted as (
    select written.written
    from written
    left join listed on written.written = listed.written
    where listed.written is null
),

-- Letter by letter, as written or as what it may have been taken for: a postcode has five to seven, and digits too.
respelled as (
    select
        written,
        ''::text as spelled,
        written as rest
    from unlisted
    where length(written) between 5 and 7 and written ~ '[0-9]' and written ~ '[A-Z]'
    union all
    select
        respelled.written,
        respelled.spelled || letter.meant,
        substr(respelled.rest, 2)
    from respelled
    cross join
        lateral (
            select left(respelled.rest, 1) as meant
            union all
            select lookalike.meant from lookalike where lookalike.written = left(respelled.rest, 1)
        ) as letter
    where respelled.rest <> ''
),

-- A text longer than any postcode.
piece as (
    select
        unlisted.written,
        substr(unlisted.written, start.place, size.letters) as spelled
    from unlisted
    cross join lateral generate_series(1, length(unlisted.written) - 4) as start (place)
    cross join generate_series(5, 7) as size (letters)
    where length(unlisted.written) between 8 and 60
),

candidate as (
    select distinct
        written,
        spelled,
        'lookalike' as reading
    from respelled
    where rest = '' and spelled <> written and spelled ~ '^{{ postcode_shape() }}$'
    union
    select
        written,
        spelled,
        'within'
    from piece
    where spelled ~ '^{{ postcode_shape() }}$'
),

repaired as (
    select
        candidate.written,
        case when count(*) = 1 then min(candidate.reading) else 'several' end as reading,
        case when count(*) = 1 then min(candidate.spelled) end as postcode
    from candidate
    inner join {{ ref('stg_reference__postcode') }} as postcode on candidate.spelled = postcode.postcode
    group by candidate.written
),

-- Publishers shorten postcodes to the outward code: a text that could be that or a sector is taken for that.
outward as (
    select distinct unlisted.written
    from unlisted
    inner join {{ ref('stg_reference__postcode') }} as postcode on unlisted.written = postcode.postcode_district
    where unlisted.written ~ '^{{ outward_shape() }}$'
),

sector as (
    select distinct unlisted.written
    from unlisted
    inner join {{ ref('stg_reference__postcode') }} as postcode on unlisted.written = postcode.postcode_sector
    where unlisted.written ~ '^{{ outward_shape() }}[0-9]$'
),

judged as (
    select
        written.written,
        coalesce(listed.written, repaired.postcode) as postcode,
        case
            when listed.written is not null then 'listed'
            when repaired.written is not null then repaired.reading
            when outward.written is not null then 'outward'
            when sector.written is not null then 'sector'
            else 'not_listed'
        end as reading
    from written
    left join listed on written.written = listed.written
    left join repaired on written.written = repaired.written
    left join outward on written.written = outward.written
    left join sector on written.written = sector.written
)

-- What is in no authority (closed postcodes of Northern Ireland, box numbers) is known by its district only. Each is
-- looked up on its own: the planner expects millions here, and would read the whole list for some thousands.
select
    judged.written,
    judged.reading,
    judged.postcode,
    case judged.reading
        when 'outward' then judged.written
        when 'sector' then left(judged.written, -1)
        else postcode.postcode_district
    end as postcode_district,
    case when judged.reading = 'sector' then judged.written end as postcode_sector,
    postcode.authority_code,
    case
        when postcode.authority_code is not null then judged.postcode
        when judged.reading in ('outward', 'sector') then judged.written || '*'
        else postcode.postcode_district || '*'
    end as place_id,
    case
        when postcode.authority_code is not null then 'postcode'
        when judged.reading = 'sector' then 'sector'
        when judged.reading = 'outward' or postcode.postcode is not null then 'district'
    end as precision
from judged
left join lateral (
    select list.*
    from {{ ref('stg_reference__postcode') }} as list
    where list.postcode = judged.postcode
    order by list.postcode
    limit 1
) as postcode on true
