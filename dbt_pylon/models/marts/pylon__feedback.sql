-- One row per piece of customer feedback that has text. Issues come from `issues` alone: `conversations` and `tickets`
-- are subsets of it.
with contacts as (

    select * from {{ ref('stg_pylon__contacts') }}

),

issue_feedback as (

    select
        'issue' as kind,
        stg_issues.issue_id as object_id,
        stg_issues.feedback_text as text,
        stg_issues.feedback_source as text_source,
        issues.title,
        issues.created_at as occurred_at,
        issues.updated_at,
        issues.account_id,
        issues.requester_id as contact_id,
        issues.requester_email as contact_email,
        issues.source,
        issues.state,
        issues.issue_type as type,
        issues.tags,
        issues.team_id,
        issues.team_name,
        issues.assignee_email,
        issues.issue_id,
        issues.link
    from {{ ref('pylon__issue_metrics') }} as issues
    inner join {{ ref('stg_pylon__issues') }} as stg_issues on issues.issue_id = stg_issues.issue_id

),

call_feedback as (

    select
        'call_recording' as kind,
        call_recording_id as object_id,
        feedback_text as text,
        feedback_source as text_source,
        title,
        started_at as occurred_at,
        updated_at,
        account_id,
        {{ pylon.null_of('text') }} as contact_id,
        {{ pylon.null_of('text') }} as contact_email,
        source,
        {{ pylon.null_of('text') }} as state,
        {{ pylon.null_of('text') }} as type,
        {{ pylon.null_of('text') }} as tags,
        {{ pylon.null_of('text') }} as team_id,
        {{ pylon.null_of('text') }} as team_name,
        {{ pylon.null_of('text') }} as assignee_email,
        {{ pylon.null_of('text') }} as issue_id,
        url as link
    from {{ ref('stg_pylon__call_recordings') }}

),

survey_feedback as (

    select
        'survey_response' as kind,
        responses.survey_response_id as object_id,
        responses.feedback_text as text,
        'answers' as text_source,
        responses.survey_name as title,
        responses.submitted_at as occurred_at,
        responses.submitted_at as updated_at,
        responses.account_id,
        responses.contact_id,
        {{ pylon.null_of('text') }} as contact_email,
        'survey' as source,
        case when responses.is_excluded then 'excluded' end as state,
        responses.survey_type as type,
        issues.tags,
        issues.team_id,
        issues.team_name,
        issues.assignee_email,
        responses.issue_id,
        issues.link
    from {{ ref('stg_pylon__survey_responses') }} as responses
    left join {{ ref('pylon__issue_metrics') }} as issues on responses.issue_id = issues.issue_id

),

article_feedback as (

    select
        'article_feedback' as kind,
        feedback.article_feedback_id as object_id,
        feedback.feedback_text as text,
        'comment' as text_source,
        articles.title,
        feedback.submitted_at as occurred_at,
        feedback.updated_at,
        {{ pylon.null_of('text') }} as account_id,
        feedback.contact_id,
        feedback.contact_email,
        'knowledge_base' as source,
        {{ pylon.null_of('text') }} as state,
        {{ pylon.null_of('text') }} as type,
        {{ pylon.null_of('text') }} as tags,
        {{ pylon.null_of('text') }} as team_id,
        {{ pylon.null_of('text') }} as team_name,
        {{ pylon.null_of('text') }} as assignee_email,
        {{ pylon.null_of('text') }} as issue_id,
        articles.url as link
    from {{ ref('stg_pylon__article_feedback') }} as feedback
    left join {{ ref('stg_pylon__knowledge_base_articles') }} as articles on feedback.article_id = articles.article_id

),

feedback as (

    select * from issue_feedback
    union all
    select * from call_feedback
    union all
    select * from survey_feedback
    union all
    select * from article_feedback

)

select
    feedback.kind || ':' || feedback.object_id as feedback_id,
    feedback.kind,
    feedback.object_id,
    feedback.text,
    feedback.text_source,
    feedback.title,
    feedback.occurred_at,
    feedback.updated_at,
    coalesce(feedback.account_id, contacts.account_id) as account_id,
    accounts.account_name,
    feedback.contact_id,
    coalesce(feedback.contact_email, contacts.email) as contact_email,
    contacts.contact_name,
    feedback.source,
    feedback.state,
    feedback.type,
    feedback.tags,
    feedback.team_id,
    feedback.team_name,
    feedback.assignee_email,
    feedback.issue_id,
    feedback.link
from feedback
left join contacts on feedback.contact_id = contacts.contact_id
left join {{ ref('stg_pylon__accounts') }} as accounts
    on coalesce(feedback.account_id, contacts.account_id) = accounts.account_id
where trim(feedback.text) <> ''
