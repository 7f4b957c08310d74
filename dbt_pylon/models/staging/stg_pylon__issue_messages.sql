-- One row per public message that its issue still has. A message that was deleted in Pylon stays in the loaded table;
-- all messages of one reading of an issue share `issue_read_at`, so what an older reading left behind is recognised.
with loaded as (

    {{ pylon.stage(['issue_messages'], [
        ('id', 'text', 'message_id'),
        ('issue_id', 'text', 'issue_id'),
        ('account_id', 'text', 'account_id'),
        ('timestamp', 'timestamp', 'sent_at'),
        ('source', 'text', 'source'),
        ('author', 'json', 'author'),
        ('author_id', 'text', 'author_id'),
        ('author_email', 'text', 'author_email'),
        ('author_name', 'text', 'author_name'),
        ('author_type', 'text', 'author_type'),
        ('text', 'text', 'message_text'),
        ('issue_updated_at', 'timestamp', 'issue_updated_at'),
        ('issue_read_at', 'timestamp', 'issue_read_at'),
    ], key=['id'], newest='issue_read_at') | indent(4) }}

),

readings as (

    select
        loaded.*,
        max(issue_read_at) over (partition by issue_id) as latest_read_at
    from loaded

)

select
    message_id,
    issue_id,
    account_id,
    sent_at,
    source,
    {{ pylon.message_author() | indent(4) }},
    message_text,
    issue_updated_at,
    issue_read_at,
    extracted_at
from readings
where latest_read_at is null or issue_read_at = latest_read_at
