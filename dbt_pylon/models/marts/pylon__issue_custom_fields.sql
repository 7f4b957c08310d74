-- One row per issue and custom field that has a value.
with entries as (

    select
        issues.issue_id,
        {{ pylon.entry_key('field') }} as field_slug,
        {{ pylon.entry_value('issues.custom_fields', 'field') }} as field_value
    from {{ ref('stg_pylon__issues') }} as issues
    {{ pylon.unnest_object('issues.custom_fields', 'field') }}

),

single_values as (

    select
        issue_id,
        field_slug,
        0 as position,
        {{ pylon.json_text('field_value', 'value') }} as value
    from entries

),

listed_values as (

    select
        entries.issue_id,
        entries.field_slug,
        {{ pylon.element_position('listed') }} as position,
        {{ pylon.json_scalar(pylon.element('listed')) }} as value
    from entries
    {{ pylon.unnest_array(pylon.json_get('entries.field_value', 'values'), 'listed') }}

),

field_values as (

    select * from single_values where value is not null and value <> ''
    union all
    -- Some fields carry both; the list is then the whole answer only where there is no single value.
    select listed_values.*
    from listed_values
    left join single_values
        on listed_values.issue_id = single_values.issue_id
        and listed_values.field_slug = single_values.field_slug
        and single_values.value is not null
        and single_values.value <> ''
    where listed_values.value is not null and listed_values.value <> '' and single_values.issue_id is null

),

fields as (

    select
        custom_fields.*,
        row_number() over (partition by slug order by updated_at desc nulls last, custom_field_id) as newest_first
    from {{ ref('stg_pylon__custom_fields') }} as custom_fields
    where object_type = 'issue'

),

options as (

    select
        fields.slug as field_slug,
        {{ pylon.json_text(pylon.element('choice'), 'slug') }} as option_slug,
        max({{ pylon.json_text(pylon.element('choice'), 'label') }}) as option_label
    from fields
    {{ pylon.unnest_array(pylon.json_get('fields.select_metadata', 'options'), 'choice') }}
    where fields.newest_first = 1
    group by fields.slug, {{ pylon.json_text(pylon.element('choice'), 'slug') }}

)

select
    field_values.issue_id || ':' || field_values.field_slug as issue_custom_field_id,
    field_values.issue_id,
    field_values.field_slug,
    coalesce(max(fields.label), field_values.field_slug) as field_label,
    max(fields.field_type) as field_type,
    count(*) as number_of_values,
    {{ pylon.joined('field_values.value', "', '", 'field_values.position') }} as value,
    {{ pylon.joined('coalesce(options.option_label, field_values.value)', "', '", 'field_values.position') }}
        as value_label,
    case when count(*) = 1 then max({{ pylon.number_or_null('field_values.value') }}) end as value_number
from field_values
left join fields on field_values.field_slug = fields.slug and fields.newest_first = 1
left join options
    on field_values.field_slug = options.field_slug and field_values.value = options.option_slug
group by field_values.issue_id, field_values.field_slug
