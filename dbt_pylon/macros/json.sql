{#- What the models do with JSON. Keys are literals of this package, never data, unless a macro says otherwise. -#}

{#- The value of a key, as JSON. -#}
{% macro json_get(json, key) %}{{ return(adapter.dispatch('json_get', 'pylon')(json, key)) }}{% endmacro %}
{% macro default__json_get(json, key) %}({{ json }} -> '{{ key }}'){% endmacro %}
{% macro snowflake__json_get(json, key) %}strip_null_value(get({{ json }}, '{{ key }}')){% endmacro %}
{% macro bigquery__json_get(json, key) %}json_query({{ json }}, '$.{{ key }}'){% endmacro %}

{#- The value of a key, as text. -#}
{% macro json_text(json, key) %}{{ return(adapter.dispatch('json_text', 'pylon')(json, key)) }}{% endmacro %}
{% macro default__json_text(json, key) %}({{ json }} ->> '{{ key }}'){% endmacro %}
{% macro snowflake__json_text(json, key) %}cast(strip_null_value(get({{ json }}, '{{ key }}')) as varchar){% endmacro %}
{% macro bigquery__json_text(json, key) %}json_value({{ json }}, '$.{{ key }}'){% endmacro %}

{#- A JSON string, number or boolean, as text. -#}
{% macro json_scalar(json) %}{{ return(adapter.dispatch('json_scalar', 'pylon')(json)) }}{% endmacro %}
{% macro default__json_scalar(json) %}({{ json }} #>> '{}'){% endmacro %}
{% macro duckdb__json_scalar(json) %}({{ json }} ->> '$'){% endmacro %}
{% macro snowflake__json_scalar(json) %}cast(strip_null_value({{ json }}) as varchar){% endmacro %}
{% macro bigquery__json_scalar(json) %}json_value({{ json }}, '$'){% endmacro %}

{#- The time that stands under a key. -#}
{% macro json_time(json, key) %}{{ pylon.to_timestamp(pylon.json_text(json, key), 'string') }}{% endmacro %}

{#- The number that stands under a key, or null where something else does. -#}
{% macro json_number(json, key) %}{{ pylon.number_or_null(pylon.json_text(json, key)) }}{% endmacro %}

{#- How many elements an array has; null for anything else. -#}
{% macro json_length(json) %}{{ return(adapter.dispatch('json_length', 'pylon')(json)) }}{% endmacro %}
{% macro default__json_length(json) %}case when jsonb_typeof({{ json }}) = 'array' then jsonb_array_length({{ json }}) end{% endmacro %}
{% macro duckdb__json_length(json) %}case when json_type({{ json }}) = 'ARRAY' then json_array_length({{ json }}) end{% endmacro %}
{% macro snowflake__json_length(json) %}case when is_array({{ json }}) then array_size({{ json }}) end{% endmacro %}
{% macro bigquery__json_length(json) %}case when json_type({{ json }}) = 'array' then array_length(json_query_array({{ json }}, '$')) end{% endmacro %}


{#-
  A join that gives one row per element of an array, in `alias`; none for anything that is no array. The element is
  `element(alias)` and its position `element_position(alias)`, from 0.
-#}
{% macro unnest_array(json, alias) %}{{ return(adapter.dispatch('unnest_array', 'pylon')(json, alias)) }}{% endmacro %}

{% macro default__unnest_array(json, alias) %}
    cross join lateral jsonb_array_elements(
        case when jsonb_typeof({{ json }}) = 'array' then {{ json }} else cast('[]' as jsonb) end
    ) with ordinality as {{ alias }} (value, ordinality)
{% endmacro %}

{% macro duckdb__unnest_array(json, alias) %}
    cross join lateral (
        select
            unnest(elements) as value,
            generate_subscripts(elements, 1) as ordinality
        from (
            select case when json_type({{ json }}) = 'ARRAY' then cast({{ json }} as json[]) else [] end as elements
        ) as listed
    ) as {{ alias }}
{% endmacro %}

{% macro snowflake__unnest_array(json, alias) %}
    cross join lateral flatten(input => iff(is_array({{ json }}), {{ json }}, array_construct())) as {{ alias }}
{% endmacro %}

{% macro bigquery__unnest_array(json, alias) %}
    cross join unnest(json_query_array({{ json }}, '$')) as {{ alias }}_value with offset as {{ alias }}_offset
{% endmacro %}

{% macro element(alias) %}{{ return(adapter.dispatch('element', 'pylon')(alias)) }}{% endmacro %}
{% macro default__element(alias) %}{{ alias }}.value{% endmacro %}
{% macro bigquery__element(alias) %}{{ alias }}_value{% endmacro %}

{% macro element_position(alias) %}{{ return(adapter.dispatch('element_position', 'pylon')(alias)) }}{% endmacro %}
{% macro default__element_position(alias) %}cast({{ alias }}.ordinality - 1 as integer){% endmacro %}
{% macro snowflake__element_position(alias) %}{{ alias }}.index{% endmacro %}
{% macro bigquery__element_position(alias) %}{{ alias }}_offset{% endmacro %}


{#-
  A join that gives one row per entry of an object, in `alias`; none for anything that is no object. The key is
  `entry_key(alias)` and the value `entry_value(json, alias)`.
-#}
{% macro unnest_object(json, alias) %}{{ return(adapter.dispatch('unnest_object', 'pylon')(json, alias)) }}{% endmacro %}

{% macro default__unnest_object(json, alias) %}
    cross join lateral jsonb_each(
        case when jsonb_typeof({{ json }}) = 'object' then {{ json }} else cast('{}' as jsonb) end
    ) as {{ alias }} (key, value)
{% endmacro %}

{% macro duckdb__unnest_object(json, alias) %}
    cross join lateral (
        select
            unnest(map_keys(entries)) as key,
            unnest(map_values(entries)) as value
        from (
            select
                case when json_type({{ json }}) = 'OBJECT' then cast({{ json }} as map(varchar, json)) else map() end
                    as entries
        ) as listed
    ) as {{ alias }}
{% endmacro %}

{% macro snowflake__unnest_object(json, alias) %}
    cross join lateral flatten(input => iff(is_object({{ json }}), {{ json }}, object_construct())) as {{ alias }}
{% endmacro %}

{% macro bigquery__unnest_object(json, alias) %}
    cross join unnest(json_keys({{ json }}, 1)) as {{ alias }}_key
{% endmacro %}

{% macro entry_key(alias) %}{{ return(adapter.dispatch('entry_key', 'pylon')(alias)) }}{% endmacro %}
{% macro default__entry_key(alias) %}{{ alias }}.key{% endmacro %}
{% macro bigquery__entry_key(alias) %}trim({{ alias }}_key, '"'){% endmacro %}

{% macro entry_value(json, alias) %}{{ return(adapter.dispatch('entry_value', 'pylon')(json, alias)) }}{% endmacro %}
{% macro default__entry_value(json, alias) %}{{ alias }}.value{% endmacro %}
{% macro bigquery__entry_value(json, alias) %}{{ json }}[trim({{ alias }}_key, '"')]{% endmacro %}
