-- One row per chunk of an issue's public text. A chunk is made of whole messages, one after another, until it has about
-- pylon_document_characters; a longer message is cut into pieces of that length first.
{%- set size = var('pylon_document_characters') | int %}
with messages as (

    select
        issue_id,
        message_id,
        sent_at,
        coalesce(author_name, author_email, author_type, 'unknown') as author,
        message_text
    from {{ ref('int_pylon__messages') }}
    where trim(message_text) <> ''

),

-- Issues without messages have the text that the requester wrote first.
bodies as (

    select
        issues.issue_id,
        issues.issue_id as message_id,
        issues.created_at as sent_at,
        coalesce(issues.requester_email, 'unknown') as author,
        issues.feedback_text as message_text
    from {{ ref('stg_pylon__issues') }} as issues
    where
        trim(issues.feedback_text) <> ''
        and not exists (select 1 from messages where messages.issue_id = issues.issue_id)

),

texts as (

    select * from messages
    union all
    select * from bodies

),

pieces as (

    select
        texts.issue_id,
        texts.message_id,
        texts.sent_at,
        texts.author,
        {{ pylon.series_number('piece') }} as piece_number,
        substr(texts.message_text, 1 + {{ size }} * cast({{ pylon.series_number('piece') }} as integer), {{ size }})
            as piece_text
    from texts
    {{ pylon.series('cast(ceil(length(texts.message_text) / ' ~ size ~ '.0) as ' ~ pylon.type_of('integer') ~ ')', 'piece') }}

),

placed as (

    select
        pieces.*,
        cast(floor(
            (sum(length(piece_text)) over (
                partition by issue_id
                order by sent_at, message_id, piece_number
                rows unbounded preceding
            ) - length(piece_text)) / {{ size }}.0
        ) as {{ pylon.type_of('integer') }}) as bucket
    from pieces

),

-- A long piece may fill more than one bucket: chunks are numbered without gaps.
numbered as (

    select
        placed.*,
        dense_rank() over (partition by issue_id order by bucket) as chunk_number
    from placed

),

chunks as (

    select
        issue_id,
        chunk_number,
        {{ pylon.joined(
            "author || ': ' || piece_text",
            pylon.line_feed(),
            'sent_at, message_id, piece_number'
        ) }} as text,
        count(distinct message_id) as messages,
        min(sent_at) as first_message_at,
        max(sent_at) as last_message_at
    from numbered
    group by issue_id, chunk_number

)

select
    chunks.issue_id || ':' || cast(chunks.chunk_number as {{ pylon.type_of('text') }}) as document_id,
    chunks.issue_id,
    chunks.chunk_number,
    count(*) over (partition by chunks.issue_id) as chunks_of_issue,
    chunks.text,
    length(chunks.text) as characters,
    chunks.messages,
    chunks.first_message_at,
    chunks.last_message_at,
    issues.title,
    issues.issue_number,
    issues.issue_type,
    issues.state,
    issues.tags,
    issues.account_id,
    issues.account_name,
    issues.team_name,
    issues.created_at,
    issues.updated_at,
    issues.link
from chunks
inner join {{ ref('pylon__issue_metrics') }} as issues on chunks.issue_id = issues.issue_id
