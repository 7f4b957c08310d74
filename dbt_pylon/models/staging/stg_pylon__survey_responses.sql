with loaded as (

    {{ pylon.stage(['survey_responses'], [
        ('id', 'text', 'survey_response_id'),
        ('survey_id', 'text', 'survey_id'),
        ('survey_name', 'text', 'survey_name'),
        ('survey_type', 'text', 'survey_type'),
        ('survey_instance_id', 'text', 'survey_instance_id'),
        ('account_id', 'text', 'account_id'),
        ('contact_id', 'text', 'contact_id'),
        ('issue_id', 'text', 'issue_id'),
        ('submitted_at', 'timestamp', 'submitted_at'),
        ('excluded_at', 'timestamp', 'excluded_at'),
        ('answers', 'json', 'answers'),
        ('score', 'float', 'score'),
        ('comment', 'text', 'comment_text'),
        ('feedback_text', 'text', 'feedback_text'),
    ], key=['id'], newest='submitted_at') | indent(4) }}

)

select
    survey_response_id,
    survey_id,
    survey_name,
    lower(survey_type) as survey_type,
    survey_instance_id,
    account_id,
    contact_id,
    issue_id,
    submitted_at,
    excluded_at,
    excluded_at is not null as is_excluded,
    answers,
    score,
    comment_text,
    feedback_text,
    extracted_at
from loaded
