-- One row per issue that has service levels of teams, with whether any of them was breached when the issue was read.
with levels as (

    select
        issues.issue_id,
        coalesce(issues.read_at, as_of.as_of) as read_at,
        {{ pylon.json_get(pylon.element('sla'), 'first_response') }} as first_response,
        {{ pylon.json_get(pylon.element('sla'), 'resolution') }} as resolution
    from {{ ref('stg_pylon__issues') }} as issues
    cross join {{ ref('int_pylon__as_of') }} as as_of
    {{ pylon.unnest_array('issues.team_slas', 'sla') }}

),

times as (

    select
        issue_id,
        read_at,
        {{ pylon.json_time('first_response', 'breach_time') }} as first_response_breach_at,
        {{ pylon.json_time('first_response', 'time') }} as first_response_at,
        {{ pylon.json_time('resolution', 'breach_time') }} as resolution_breach_at,
        {{ pylon.json_time('resolution', 'time') }} as resolution_at
    from levels

)

select
    issue_id,
    max(case when first_response_breach_at < coalesce(first_response_at, read_at) then 1
        when first_response_breach_at is not null then 0 end) as first_response_breached,
    max(case when resolution_breach_at < coalesce(resolution_at, read_at) then 1
        when resolution_breach_at is not null then 0 end) as resolution_breached
from times
group by issue_id
