-- One row per public message: from `issue_messages`, and for issues that have none there from the messages of the issue
-- itself, so that either stream will do.
with issues as (

    select * from {{ ref('stg_pylon__issues') }}

),

rows_of_messages as (

    select messages.*
    from {{ ref('stg_pylon__issue_messages') }} as messages
    left join issues on messages.issue_id = issues.issue_id
    -- Where all messages of an issue were deleted, no later reading is in issue_messages: only the issue tells.
    where
        issues.public_message_count is null
        or issues.public_message_count > 0
        or coalesce(issues.read_at < messages.issue_read_at, issues.updated_at < messages.issue_updated_at)

),

issues_without_rows as (

    select
        issue_id,
        account_id,
        messages
    from issues
    where not exists (select 1 from rows_of_messages where rows_of_messages.issue_id = issues.issue_id)

),

elements as (

    select
        issues_without_rows.issue_id,
        issues_without_rows.account_id,
        {{ pylon.element('message') }} as message,
        {{ pylon.element_position('message') }} as position
    from issues_without_rows
    {{ pylon.unnest_array('issues_without_rows.messages', 'message') }}

),

parsed as (

    select
        issue_id,
        account_id,
        coalesce(
            {{ pylon.json_text('message', 'id') }}, issue_id || ':' || cast(position as {{ pylon.type_of('text') }})
        ) as message_id,
        {{ pylon.json_time('message', 'timestamp') }} as sent_at,
        {{ pylon.json_text('message', 'source') }} as source,
        {{ pylon.json_get('message', 'author') }} as author,
        {{ pylon.json_text('message', 'author_id') }} as author_id,
        {{ pylon.json_text('message', 'author_email') }} as author_email,
        {{ pylon.json_text('message', 'author_name') }} as author_name,
        {{ pylon.json_text('message', 'author_type') }} as author_type,
        {{ pylon.json_text('message', 'text') }} as message_text
    from elements

)

select
    message_id,
    issue_id,
    account_id,
    sent_at,
    source,
    author_id,
    author_email,
    author_name,
    author_type,
    message_text
from rows_of_messages

union all

select
    message_id,
    issue_id,
    account_id,
    sent_at,
    source,
    {{ pylon.message_author() | indent(4) }},
    message_text
from parsed
