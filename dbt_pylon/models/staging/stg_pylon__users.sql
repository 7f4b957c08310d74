with loaded as (

    {{ pylon.stage(['users'], [
        ('id', 'text', 'user_id'),
        ('name', 'text', 'user_name'),
        ('email', 'text', 'email'),
        ('role', 'json', 'role'),
        ('status', 'text', 'status'),
        ('is_deactivated', 'boolean', 'is_deactivated'),
    ], key=['id']) | indent(4) }}

)

select
    user_id,
    user_name,
    email,
    {{ pylon.json_text('role', 'name') }} as role_name,
    status,
    coalesce(is_deactivated, lower(status) = 'deactivated') as is_deactivated,
    extracted_at
from loaded
