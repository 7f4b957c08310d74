-- One row per object that the audit log says was deleted, merged or redacted, with the latest such entry.
with entries as (

    select
        audit_logs.*,
        row_number() over (
            partition by object_type, object_id order by happened_at desc nulls last, audit_log_id
        ) as newest_first
    from {{ ref('stg_pylon__audit_logs') }} as audit_logs
    where
        object_id is not null
        and (
            {%- for word in var('pylon_deletion_words') %}
            lower(action) like '%{{ word | lower }}%'{{ ' or' if not loop.last }}
            {%- else %}
            1 = 0
            {%- endfor %}
        )

),

loaded as (

    select 'issue' as object_kind, issue_id as object_id from {{ ref('stg_pylon__issues') }}
    union all
    select 'message' as object_kind, message_id as object_id from {{ ref('stg_pylon__issue_messages') }}
    union all
    select 'account' as object_kind, account_id as object_id from {{ ref('stg_pylon__accounts') }}
    union all
    select 'contact' as object_kind, contact_id as object_id from {{ ref('stg_pylon__contacts') }}
    union all
    select 'call_recording' as object_kind, call_recording_id as object_id from {{ ref('stg_pylon__call_recordings') }}

),

in_tables as (

    select
        object_id,
        max(object_kind) as object_kind
    from loaded
    group by object_id

)

select
    coalesce(entries.object_type, '') || ':' || entries.object_id as deleted_object_id,
    entries.object_type,
    entries.object_id,
    entries.action,
    entries.happened_at,
    entries.actor_user_id,
    users.email as actor_email,
    entries.actor_contact_id,
    entries.audit_log_id,
    in_tables.object_kind as still_in_table_of,
    in_tables.object_id is not null as is_still_in_tables
from entries
left join in_tables on entries.object_id = in_tables.object_id
left join {{ ref('stg_pylon__users') }} as users on entries.actor_user_id = users.user_id
where entries.newest_first = 1
