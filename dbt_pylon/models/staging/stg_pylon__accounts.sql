with loaded as (

    {{ pylon.stage(['accounts'], [
        ('id', 'text', 'account_id'),
        ('name', 'text', 'account_name'),
        ('domain', 'text', 'domain'),
        ('primary_domain', 'text', 'primary_domain'),
        ('type', 'text', 'account_type'),
        ('owner', 'json', 'owner'),
        ('owner_id', 'text', 'owner_id'),
        ('parent_account_id', 'text', 'parent_account_id'),
        ('tags', 'json', 'tags'),
        ('external_ids', 'json', 'external_ids'),
        ('custom_fields', 'json', 'custom_fields'),
        ('is_disabled', 'boolean', 'is_disabled'),
        ('created_at', 'timestamp', 'created_at'),
        ('updated_at', 'timestamp', 'updated_at'),
        ('latest_customer_activity_time', 'timestamp', 'latest_customer_activity_at'),
    ], key=['id'], newest='updated_at') | indent(4) }}

)

select
    account_id,
    account_name,
    coalesce(primary_domain, domain) as domain,
    lower(account_type) as account_type,
    coalesce(owner_id, {{ pylon.json_text('owner', 'id') }}) as owner_id,
    {{ pylon.json_text('owner', 'email') }} as owner_email,
    parent_account_id,
    tags,
    external_ids,
    custom_fields,
    is_disabled,
    created_at,
    updated_at,
    latest_customer_activity_at,
    extracted_at
from loaded
