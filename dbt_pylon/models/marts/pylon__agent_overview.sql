-- One row per user of Pylon, and per user whom only issues and messages know.
with members as (

    select
        teams.team_name,
        {{ pylon.json_text(pylon.element('member'), 'id') }} as user_id
    from {{ ref('stg_pylon__teams') }} as teams
    {{ pylon.unnest_array('teams.users', 'member') }}

),

team_names as (

    select
        user_id,
        {{ pylon.joined('team_name', "', '", 'team_name') }} as team_names
    from members
    group by user_id

),

assigned as (

    select
        assignee_id as user_id,
        count(*) as issues_assigned,
        sum(case when is_closed then 0 else 1 end) as issues_open,
        sum(case when is_closed then 1 else 0 end) as issues_closed,
        sum(case when was_reopened then 1 else 0 end) as issues_reopened,
        sum(case when is_sla_breached then 1 else 0 end) as issues_sla_breached,
        {{ pylon.median('first_response_seconds') }} as median_first_response_seconds,
        {{ pylon.median('resolution_seconds') }} as median_resolution_seconds,
        count(csat_score) as csat_responses,
        avg(csat_score) as average_csat_score
    from {{ ref('pylon__issue_metrics') }}
    where assignee_id is not null
    group by assignee_id

),

sent as (

    select
        author_id as user_id,
        max(author_name) as author_name,
        max(author_email) as author_email,
        count(*) as messages_sent,
        count(distinct issue_id) as issues_answered,
        max(sent_at) as last_message_at
    from {{ ref('int_pylon__messages') }}
    where author_type = 'user' and author_id is not null
    group by author_id

),

times as (

    select
        {{ pylon.json_text(pylon.element('spent'), 'user_id') }} as user_id,
        {{ pylon.json_number(pylon.element('spent'), 'active_time_seconds') }} as active_seconds,
        {{ pylon.json_number(pylon.element('spent'), 'business_hours_active_time_seconds') }} as active_business_seconds
    from {{ ref('stg_pylon__issues') }} as issues
    {{ pylon.unnest_array('issues.active_time_by_user', 'spent') }}

),

active as (

    select
        user_id,
        cast(sum(active_seconds) as {{ pylon.type_of('integer') }}) as active_seconds,
        cast(sum(active_business_seconds) as {{ pylon.type_of('integer') }}) as active_business_seconds
    from times
    where user_id is not null
    group by user_id

),

known as (

    select distinct user_id
    from (
        select user_id from {{ ref('stg_pylon__users') }}
        union all
        select user_id from assigned
        union all
        select user_id from sent
        union all
        select user_id from active
    ) as everyone

)

select
    known.user_id,
    coalesce(users.user_name, sent.author_name) as user_name,
    coalesce(users.email, sent.author_email) as email,
    users.role_name,
    users.status,
    users.is_deactivated,
    team_names.team_names,
    coalesce(assigned.issues_assigned, 0) as issues_assigned,
    coalesce(assigned.issues_open, 0) as issues_open,
    coalesce(assigned.issues_closed, 0) as issues_closed,
    coalesce(assigned.issues_reopened, 0) as issues_reopened,
    coalesce(assigned.issues_sla_breached, 0) as issues_sla_breached,
    assigned.median_first_response_seconds,
    {{ pylon.hours('assigned.median_first_response_seconds') }} as median_first_response_hours,
    assigned.median_resolution_seconds,
    {{ pylon.hours('assigned.median_resolution_seconds') }} as median_resolution_hours,
    coalesce(assigned.csat_responses, 0) as csat_responses,
    assigned.average_csat_score,
    coalesce(sent.messages_sent, 0) as messages_sent,
    coalesce(sent.issues_answered, 0) as issues_answered,
    sent.last_message_at,
    active.active_seconds,
    active.active_business_seconds
from known
left join {{ ref('stg_pylon__users') }} as users on known.user_id = users.user_id
left join team_names on known.user_id = team_names.user_id
left join assigned on known.user_id = assigned.user_id
left join sent on known.user_id = sent.user_id
left join active on known.user_id = active.user_id
