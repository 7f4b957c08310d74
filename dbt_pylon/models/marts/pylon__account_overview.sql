-- One row per account.
with issues as (

    select
        issues.*,
        {{ pylon.days_between('cast(issues.created_at as date)', 'cast(as_of.as_of as date)') }} as age_days
    from {{ ref('pylon__issue_metrics') }} as issues
    cross join {{ ref('int_pylon__as_of') }} as as_of

),

issue_counts as (

    select
        account_id,
        count(*) as issues_total,
        sum(case when is_closed then 0 else 1 end) as issues_open,
        sum(case when age_days < 7 then 1 else 0 end) as issues_last_7_days,
        sum(case when age_days < 28 then 1 else 0 end) as issues_last_28_days,
        sum(case when was_reopened then 1 else 0 end) as issues_reopened,
        sum(case when is_sla_breached then 1 else 0 end) as issues_sla_breached,
        max(created_at) as latest_issue_at,
        {{ pylon.median('first_response_seconds') }} as median_first_response_seconds,
        {{ pylon.median('resolution_seconds') }} as median_resolution_seconds,
        avg(csat_score) as average_issue_csat_score
    from issues
    group by account_id

),

latest_scores as (

    select
        account_id,
        nps_score,
        nps_category,
        csat_score,
        submitted_at,
        case when nps_score is not null then 'nps' else 'csat' end as score_kind,
        row_number() over (
            partition by account_id, case when nps_score is not null then 'nps' else 'csat' end
            order by submitted_at desc nulls last, survey_response_id
        ) as newest_first
    from {{ ref('int_pylon__survey_scores') }}
    where not is_excluded and (nps_score is not null or csat_score is not null)

),

-- Ratings of issues have no time of their own, so the issue's latest change stands for it.
latest_issue_ratings as (

    select
        account_id,
        csat_score,
        updated_at,
        row_number() over (partition by account_id order by updated_at desc nulls last, issue_id) as newest_first
    from issues
    where csat_score is not null

),

calls as (

    select
        account_id,
        count(*) as call_recordings,
        max(started_at) as latest_call_at
    from {{ ref('stg_pylon__call_recordings') }}
    group by account_id

),

activity as (

    select account_id, latest_customer_activity_at as happened_at from {{ ref('int_pylon__accounts') }}
    union all
    select account_id, created_at as happened_at from issues
    union all
    select account_id, latest_message_at as happened_at from issues
    union all
    select account_id, submitted_at as happened_at from {{ ref('stg_pylon__survey_responses') }}
    union all
    select account_id, started_at as happened_at from {{ ref('stg_pylon__call_recordings') }}

),

last_activity as (

    select
        account_id,
        max(happened_at) as last_activity_at
    from activity
    group by account_id

)

select
    accounts.account_id,
    accounts.account_name,
    accounts.domain,
    accounts.account_type,
    accounts.is_disabled,
    accounts.owner_id,
    coalesce(accounts.owner_email, owners.email) as owner_email,
    owners.user_name as owner_name,
    accounts.parent_account_id,
    parents.account_name as parent_account_name,
    accounts.created_at,
    coalesce(issue_counts.issues_total, 0) as issues_total,
    coalesce(issue_counts.issues_open, 0) as issues_open,
    coalesce(issue_counts.issues_last_7_days, 0) as issues_last_7_days,
    coalesce(issue_counts.issues_last_28_days, 0) as issues_last_28_days,
    coalesce(issue_counts.issues_last_28_days, 0) / 4.0 as issues_per_week,
    coalesce(issue_counts.issues_reopened, 0) as issues_reopened,
    coalesce(issue_counts.issues_sla_breached, 0) as issues_sla_breached,
    issue_counts.latest_issue_at,
    issue_counts.median_first_response_seconds,
    {{ pylon.hours('issue_counts.median_first_response_seconds') }} as median_first_response_hours,
    issue_counts.median_resolution_seconds,
    {{ pylon.hours('issue_counts.median_resolution_seconds') }} as median_resolution_hours,
    issue_counts.average_issue_csat_score,
    coalesce(csat.csat_score, ratings.csat_score) as latest_csat_score,
    coalesce(csat.submitted_at, ratings.updated_at) as latest_csat_at,
    case when csat.csat_score is not null then 'survey' when ratings.csat_score is not null then 'issue' end
        as latest_csat_source,
    nps.nps_score as latest_nps_score,
    nps.nps_category as latest_nps_category,
    nps.submitted_at as latest_nps_at,
    coalesce(calls.call_recordings, 0) as call_recordings,
    calls.latest_call_at,
    last_activity.last_activity_at
from {{ ref('int_pylon__accounts') }} as accounts
left join {{ ref('stg_pylon__users') }} as owners on accounts.owner_id = owners.user_id
left join {{ ref('stg_pylon__accounts') }} as parents on accounts.parent_account_id = parents.account_id
left join issue_counts on accounts.account_id = issue_counts.account_id
left join latest_scores as csat
    on accounts.account_id = csat.account_id and csat.score_kind = 'csat' and csat.newest_first = 1
left join latest_scores as nps
    on accounts.account_id = nps.account_id and nps.score_kind = 'nps' and nps.newest_first = 1
left join latest_issue_ratings as ratings on accounts.account_id = ratings.account_id and ratings.newest_first = 1
left join calls on accounts.account_id = calls.account_id
left join last_activity on accounts.account_id = last_activity.account_id
