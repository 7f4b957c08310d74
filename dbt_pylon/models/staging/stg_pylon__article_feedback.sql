with loaded as (

    {{ pylon.stage(['article_feedback'], [
        ('id', 'text', 'article_feedback_id'),
        ('article_id', 'text', 'article_id'),
        ('knowledge_base_id', 'text', 'knowledge_base_id'),
        ('score', 'integer', 'score'),
        ('comment', 'text', 'comment_text'),
        ('feedback_text', 'text', 'feedback_text'),
        ('submitter', 'json', 'submitter'),
        ('submitted_at', 'timestamp', 'submitted_at'),
        ('updated_at', 'timestamp', 'updated_at'),
    ], key=['id'], newest='updated_at') | indent(4) }}

)

select
    article_feedback_id,
    article_id,
    knowledge_base_id,
    score,
    coalesce(feedback_text, comment_text) as feedback_text,
    {{ pylon.json_text(pylon.json_get('submitter', 'contact'), 'id') }} as contact_id,
    {{ pylon.json_text(pylon.json_get('submitter', 'contact'), 'email') }} as contact_email,
    submitted_at,
    updated_at,
    extracted_at
from loaded
