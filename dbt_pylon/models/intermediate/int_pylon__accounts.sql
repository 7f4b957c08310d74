-- One row per account that any table knows, named where the stream `accounts` was loaded.
with mentioned as (

    select distinct account_id
    from (
        select account_id from {{ ref('stg_pylon__accounts') }}
        union all
        select account_id from {{ ref('stg_pylon__issues') }}
        union all
        select account_id from {{ ref('stg_pylon__survey_responses') }}
        union all
        select account_id from {{ ref('stg_pylon__call_recordings') }}
    ) as everywhere

),

parents as (

    select
        child_account_id,
        parent_account_id,
        row_number() over (
            partition by child_account_id order by updated_at desc nulls last, account_relationship_id
        ) as newest_first
    from {{ ref('stg_pylon__account_relationships') }}
    where relationship_type = 'parent_account' and parent_account_id is not null

)

select
    mentioned.account_id,
    accounts.account_name,
    accounts.domain,
    accounts.account_type,
    accounts.owner_id,
    accounts.owner_email,
    coalesce(parents.parent_account_id, accounts.parent_account_id) as parent_account_id,
    accounts.tags,
    accounts.is_disabled,
    accounts.created_at,
    accounts.latest_customer_activity_at
from mentioned
left join {{ ref('stg_pylon__accounts') }} as accounts on mentioned.account_id = accounts.account_id
left join parents on mentioned.account_id = parents.child_account_id and parents.newest_first = 1
where mentioned.account_id is not null
