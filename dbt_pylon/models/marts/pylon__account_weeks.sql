-- One row per account and week (its Monday), from the account's first issue to the latest week that the tables know.
with issues as (

    select
        account_id,
        {{ pylon.week_of('created_at') }} as created_week,
        {{ pylon.week_of('resolved_at') }} as resolved_week,
        first_response_seconds
    from {{ ref('pylon__issue_metrics') }}
    where account_id is not null and created_at is not null

),

ranges as (

    select
        issues.account_id,
        min(issues.created_week) as first_week,
        max({{ pylon.week_of('as_of.as_of') }}) as last_week
    from issues
    cross join {{ ref('int_pylon__as_of') }} as as_of
    group by issues.account_id

),

weeks as (

    select
        ranges.account_id,
        {{ pylon.add_days('ranges.first_week', '7 * (' ~ pylon.series_number('week_number') ~ ')') }} as week
    from ranges
    {{ pylon.series(pylon.days_between('ranges.first_week', 'ranges.last_week') ~ ' / 7 + 1', 'week_number') }}

),

created as (

    select
        account_id,
        created_week,
        count(*) as issues_created,
        {{ pylon.median('first_response_seconds') }} as median_first_response_seconds
    from issues
    group by account_id, created_week

),

resolved as (

    select
        account_id,
        resolved_week,
        count(*) as issues_resolved
    from issues
    where resolved_week is not null
    group by account_id, resolved_week

)

select
    weeks.account_id || ':' || cast(weeks.week as {{ pylon.type_of('text') }}) as account_week_id,
    weeks.account_id,
    accounts.account_name,
    weeks.week,
    coalesce(created.issues_created, 0) as issues_created,
    coalesce(resolved.issues_resolved, 0) as issues_resolved,
    created.median_first_response_seconds
from weeks
left join created on weeks.account_id = created.account_id and weeks.week = created.created_week
left join resolved on weeks.account_id = resolved.account_id and weeks.week = resolved.resolved_week
left join {{ ref('stg_pylon__accounts') }} as accounts on weeks.account_id = accounts.account_id
