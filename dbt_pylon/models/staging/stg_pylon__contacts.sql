with loaded as (

    {{ pylon.stage(['contacts'], [
        ('id', 'text', 'contact_id'),
        ('name', 'text', 'contact_name'),
        ('email', 'text', 'email'),
        ('account', 'json', 'account'),
        ('account_id', 'text', 'account_id'),
        ('portal_role', 'text', 'portal_role'),
        ('external_ids', 'json', 'external_ids'),
        ('phone_numbers', 'json', 'phone_numbers'),
        ('custom_fields', 'json', 'custom_fields'),
    ], key=['id']) | indent(4) }}

)

select
    contact_id,
    contact_name,
    email,
    coalesce(account_id, {{ pylon.json_text('account', 'id') }}) as account_id,
    portal_role,
    -- Left as JSON: a loader may turn a column of phone numbers into numbers, but not what stands in an array.
    phone_numbers,
    external_ids,
    custom_fields,
    extracted_at
from loaded
