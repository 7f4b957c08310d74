-- One row per day and team, from the first issue to the latest day that the tables know.
--
-- Pylon keeps no history of states. An issue counts as open from its creation to its last resolution; where it was
-- resolved before and reopened in between, nobody knows when, so two numbers enclose the truth.
with issues as (

    select
        coalesce(team_id, '') as team_key,
        cast(created_at as date) as created_on,
        cast(resolved_at as date) as resolved_on,
        -- From its first resolution on, an issue that was reopened may have been closed or open.
        cast(
            case
                when resolved_at is null then first_resolution_at
                when first_resolution_at < resolved_at then first_resolution_at
                else resolved_at
            end as date
        ) as first_resolved_on,
        is_closed and resolved_at is null as is_closed_at_unknown_time,
        not is_closed and first_resolution_at is not null as is_open_again
    from {{ ref('pylon__issue_metrics') }}
    where created_at is not null

),

range_of_days as (

    select
        min(issues.created_on) as first_day,
        max(cast(as_of.as_of as date)) as last_day
    from issues
    cross join {{ ref('int_pylon__as_of') }} as as_of

),

events as (

    select
        team_key,
        created_on as happened_on,
        1 as opened,
        0 as resolved,
        0 as first_resolved,
        0 as found_open_again,
        0 as closed_at_unknown_time
    from issues
    where not is_closed_at_unknown_time
    union all
    select team_key, resolved_on, 0, 1, 0, 0, 0
    from issues
    where resolved_on is not null
    union all
    select team_key, first_resolved_on, 0, 0, 1, 0, 0
    from issues
    where first_resolved_on is not null
    union all
    -- That an issue was reopened is certain only today, on the last day.
    select issues.team_key, range_of_days.last_day, 0, 0, 0, 1, 0
    from issues
    cross join range_of_days
    where issues.is_open_again and issues.first_resolved_on <= range_of_days.last_day
    union all
    select team_key, created_on, 0, 0, 0, 0, 1
    from issues
    where is_closed_at_unknown_time

),

days as (

    select {{ pylon.add_days('range_of_days.first_day', pylon.series_number('day_number')) }} as day
    from range_of_days
    {{ pylon.series('coalesce(' ~ pylon.days_between('range_of_days.first_day', 'range_of_days.last_day') ~ ' + 1, 0)', 'day_number') }}

),

teams as (

    select distinct team_key from issues

),

daily as (

    select
        teams.team_key,
        days.day,
        coalesce(sum(events.opened), 0) as opened,
        coalesce(sum(events.resolved), 0) as resolved,
        coalesce(sum(events.first_resolved), 0) as first_resolved,
        coalesce(sum(events.found_open_again), 0) as found_open_again,
        coalesce(sum(events.closed_at_unknown_time), 0) as closed_at_unknown_time
    from teams
    cross join days
    left join events on teams.team_key = events.team_key and days.day = events.happened_on
    group by teams.team_key, days.day

),

added_up as (

    select
        daily.*,
        sum(opened - resolved) over (partition by team_key order by day rows unbounded preceding) as open_at_most,
        sum(opened - first_resolved + found_open_again) over (
            partition by team_key order by day rows unbounded preceding
        ) as open_at_least
    from daily

)

select
    cast(added_up.day as {{ pylon.type_of('text') }}) || ':' || added_up.team_key as daily_backlog_id,
    added_up.day,
    nullif(added_up.team_key, '') as team_id,
    names.team_name,
    cast(added_up.opened as {{ pylon.type_of('integer') }}) as issues_opened,
    cast(added_up.first_resolved as {{ pylon.type_of('integer') }}) as issues_first_resolved,
    cast(added_up.resolved as {{ pylon.type_of('integer') }}) as issues_resolved,
    cast(added_up.open_at_least as {{ pylon.type_of('integer') }}) as issues_open_at_least,
    cast(added_up.open_at_most as {{ pylon.type_of('integer') }}) as issues_open_at_most,
    cast(added_up.closed_at_unknown_time as {{ pylon.type_of('integer') }}) as issues_closed_at_unknown_time
from added_up
left join {{ ref('stg_pylon__teams') }} as names on added_up.team_key = names.team_id
