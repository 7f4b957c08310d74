-- One row per issue.
{%- set closed_states = "'" ~ (var('pylon_closed_states') | map('lower') | join("', '")) ~ "'" %}
with issues as (

    select
        issues.*,
        statuses.label as status_label,
        lower(coalesce(statuses.category, issues.state)) as state_category,
        coalesce(issues.read_at, as_of.as_of) as known_at
    from {{ ref('stg_pylon__issues') }} as issues
    cross join {{ ref('int_pylon__as_of') }} as as_of
    left join {{ ref('stg_pylon__issue_statuses') }} as statuses on issues.state = statuses.slug

),

judged as (

    select
        issues.*,
        -- An issue without a state says only by its resolution whether it is closed.
        coalesce(state_category, case when resolution_at is not null then 'closed' else 'new' end)
            in ({{ closed_states }}) as is_closed
    from issues

),

messages as (

    select
        issue_id,
        count(*) as public_message_count,
        sum(case when author_type = 'contact' then 1 else 0 end) as customer_message_count,
        sum(case when author_type = 'user' then 1 else 0 end) as team_message_count,
        max(case when author_type = 'contact' then sent_at end) as last_customer_message_at,
        max(case when author_type = 'user' then sent_at end) as last_team_message_at
    from {{ ref('int_pylon__messages') }}
    group by issue_id

),

measured as (

    select
        judged.issue_id,
        judged.issue_number,
        judged.title,
        judged.link,
        judged.issue_type,
        judged.state,
        judged.status_label,
        judged.state_category,
        judged.is_closed,
        judged.source,
        tags.tags,
        judged.account_id,
        accounts.account_name,
        judged.requester_id,
        judged.requester_email,
        judged.assignee_id,
        coalesce(judged.assignee_email, users.email) as assignee_email,
        users.user_name as assignee_name,
        judged.team_id,
        teams.team_name,
        judged.created_at,
        judged.updated_at,
        judged.latest_message_at,
        judged.known_at as read_at,
        judged.snoozed_until,
        judged.first_response_at,
        coalesce(
            judged.first_response_seconds, {{ pylon.seconds_between('judged.created_at', 'judged.first_response_at') }}
        ) as first_response_seconds,
        judged.first_response_business_seconds,
        judged.first_resolution_at,
        case when judged.is_closed then coalesce(judged.resolution_at, judged.first_resolution_at) end as resolved_at,
        case
            when judged.is_closed then coalesce(
                judged.resolution_seconds, {{ pylon.seconds_between('judged.created_at', 'judged.resolution_at') }}
            )
        end as resolution_seconds,
        case when judged.is_closed then judged.resolution_business_seconds end as resolution_business_seconds,
        case
            when judged.first_resolution_at is null then null
            when not judged.is_closed then true
            when judged.resolution_at is null then null
            else judged.resolution_at > judged.first_resolution_at
        end as was_reopened,
        {%- for hours in ['', 'business_'] %}
        {%- for status in ['new', 'waiting_on_you', 'waiting_on_customer', 'on_hold', 'closed', 'custom_statuses'] %}
        status_seconds.{{ status }}_{{ hours }}seconds,
        {%- endfor %}
        {%- endfor %}
        judged.active_seconds,
        judged.active_business_seconds,
        judged.number_of_touches,
        coalesce(messages.public_message_count, judged.public_message_count) as public_message_count,
        coalesce(
            messages.customer_message_count,
            judged.customer_message_count,
            case when judged.public_message_count = 0 then 0 end
        ) as customer_message_count,
        coalesce(
            messages.team_message_count,
            judged.public_message_count - judged.customer_message_count,
            case when judged.public_message_count = 0 then 0 end
        ) as team_message_count,
        coalesce(messages.last_customer_message_at, judged.last_customer_message_at) as last_customer_message_at,
        coalesce(messages.last_team_message_at, judged.last_team_message_at) as last_team_message_at,
        coalesce(judged.csat_score, csat.score) as csat_score,
        csat.comment_text as csat_comment,
        judged.first_response_breach_at,
        judged.resolution_breach_at,
        case
            when judged.first_response_breach_at < coalesce(judged.first_response_at, judged.known_at)
                or team_slas.first_response_breached = 1 then 1
            when judged.first_response_breach_at is not null or team_slas.first_response_breached = 0 then 0
        end as first_response_breached,
        case
            when judged.resolution_breach_at < case
                    when judged.is_closed then coalesce(judged.resolution_at, judged.known_at) else judged.known_at
                end
                or team_slas.resolution_breached = 1 then 1
            when judged.resolution_breach_at is not null or team_slas.resolution_breached = 0 then 0
        end as resolution_breached
    from judged
    left join {{ ref('int_pylon__issue_tags') }} as tags on judged.issue_id = tags.issue_id
    left join {{ ref('stg_pylon__accounts') }} as accounts on judged.account_id = accounts.account_id
    left join {{ ref('stg_pylon__users') }} as users on judged.assignee_id = users.user_id
    left join {{ ref('stg_pylon__teams') }} as teams on judged.team_id = teams.team_id
    left join {{ ref('int_pylon__issue_status_seconds') }} as status_seconds
        on judged.issue_id = status_seconds.issue_id
    left join messages on judged.issue_id = messages.issue_id
    left join {{ ref('int_pylon__issue_csat') }} as csat on judged.issue_id = csat.issue_id
    left join {{ ref('int_pylon__issue_team_slas') }} as team_slas on judged.issue_id = team_slas.issue_id

)

select
    issue_id,
    issue_number,
    title,
    link,
    issue_type,
    state,
    status_label,
    state_category,
    is_closed,
    source,
    tags,
    account_id,
    account_name,
    requester_id,
    requester_email,
    assignee_id,
    assignee_email,
    assignee_name,
    team_id,
    team_name,
    created_at,
    updated_at,
    latest_message_at,
    read_at,
    snoozed_until,
    first_response_at,
    first_response_seconds,
    first_response_business_seconds,
    {{ pylon.hours('first_response_seconds') }} as first_response_hours,
    {{ pylon.hours('first_response_business_seconds') }} as first_response_business_hours,
    first_resolution_at,
    resolved_at,
    resolution_seconds,
    resolution_business_seconds,
    {{ pylon.hours('resolution_seconds') }} as resolution_hours,
    {{ pylon.hours('resolution_business_seconds') }} as resolution_business_hours,
    was_reopened,
    {%- for hours in ['', 'business_'] %}
    {%- for status in ['new', 'waiting_on_you', 'waiting_on_customer', 'on_hold', 'closed', 'custom_statuses'] %}
    {{ status }}_{{ hours }}seconds,
    {%- endfor %}
    {%- endfor %}
    active_seconds,
    active_business_seconds,
    number_of_touches,
    public_message_count,
    customer_message_count,
    team_message_count,
    last_customer_message_at,
    last_team_message_at,
    csat_score,
    csat_comment,
    csat_score >= {{ var('pylon_csat_satisfied_from') }} as is_csat_satisfied,
    first_response_breach_at,
    resolution_breach_at,
    first_response_breached = 1 as is_first_response_sla_breached,
    resolution_breached = 1 as is_resolution_sla_breached,
    case
        when first_response_breached = 1 or resolution_breached = 1 then true
        when first_response_breached = 0 or resolution_breached = 0 then false
    end as is_sla_breached
from measured
