-- One row per issue that has times in statuses, with the base statuses as columns and all others together.
{%- set base_statuses = ['new', 'waiting_on_you', 'waiting_on_customer', 'on_hold', 'closed'] %}
with calendar as (

    select
        issues.issue_id,
        'calendar' as hours,
        {{ pylon.entry_key('status') }} as slug,
        {{ pylon.number_or_null(pylon.json_scalar(pylon.entry_value('issues.time_in_status_seconds', 'status'))) }}
            as seconds
    from {{ ref('stg_pylon__issues') }} as issues
    {{ pylon.unnest_object('issues.time_in_status_seconds', 'status') }}

),

business as (

    select
        issues.issue_id,
        'business' as hours,
        {{ pylon.entry_key('status') }} as slug,
        {{ pylon.number_or_null(
            pylon.json_scalar(pylon.entry_value('issues.time_in_status_business_seconds', 'status'))
        ) }} as seconds
    from {{ ref('stg_pylon__issues') }} as issues
    {{ pylon.unnest_object('issues.time_in_status_business_seconds', 'status') }}

),

entries as (

    select * from calendar
    union all
    select * from business

)

select
    issue_id,
    {%- for hours, infix in [('calendar', ''), ('business', 'business_')] %}
    {%- for status in base_statuses %}
    cast(sum(case when hours = '{{ hours }}' and slug = '{{ status }}' then seconds end) as {{ pylon.type_of('integer') }})
        as {{ status }}_{{ infix }}seconds,
    {%- endfor %}
    cast(sum(
        case when hours = '{{ hours }}' and slug not in ('{{ base_statuses | join("', '") }}') then seconds end
    ) as {{ pylon.type_of('integer') }}) as custom_statuses_{{ infix }}seconds{{ ',' if not loop.last }}
    {%- endfor %}
from entries
group by issue_id
