{#-
  Kinds of columns and how each database holds them.

  Times are in UTC: without a zone in PostgreSQL, DuckDB and Snowflake, as `timestamp` in BigQuery. JSON is `jsonb` in
  PostgreSQL, because its `json` cannot be compared, and a JSON null is a null everywhere.
-#}

{% macro type_of(kind) %}{{ return(adapter.dispatch('type_of', 'pylon')(kind)) }}{% endmacro %}

{% macro default__type_of(kind) %}
    {{ return({
        'text': 'text', 'integer': 'bigint', 'float': 'double precision', 'boolean': 'boolean', 'timestamp': 'timestamp',
        'date': 'date', 'json': 'jsonb',
    }[kind]) }}
{% endmacro %}

{% macro duckdb__type_of(kind) %}
    {{ return({
        'text': 'varchar', 'integer': 'bigint', 'float': 'double', 'boolean': 'boolean', 'timestamp': 'timestamp',
        'date': 'date', 'json': 'json',
    }[kind]) }}
{% endmacro %}

{% macro snowflake__type_of(kind) %}
    {{ return({
        'text': 'varchar', 'integer': 'bigint', 'float': 'double', 'boolean': 'boolean', 'timestamp': 'timestamp_ntz',
        'date': 'date', 'json': 'variant',
    }[kind]) }}
{% endmacro %}

{% macro bigquery__type_of(kind) %}
    {{ return({
        'text': 'string', 'integer': 'int64', 'float': 'float64', 'boolean': 'bool', 'timestamp': 'timestamp',
        'date': 'date', 'json': 'json',
    }[kind]) }}
{% endmacro %}


{#- A value cast to a kind that needs no conversion. -#}
{% macro as_kind(value, kind) %}cast({{ value }} as {{ pylon.type_of(kind) }}){% endmacro %}

{#- A loaded column as the kind; data_type is its type in the table, in lower case. -#}
{% macro to_kind(column, data_type, kind) %}
    {%- if kind == 'timestamp' -%}{{ pylon.to_timestamp(column, data_type) }}
    {%- elif kind == 'json' -%}{{ pylon.to_json(column, data_type) }}
    {%- else -%}{{ pylon.as_kind(column, kind) }}
    {%- endif -%}
{% endmacro %}


{#-
  A time in UTC. Columns without a zone are in pylon_time_zone: PyAirbyte writes to PostgreSQL in the session's zone.
-#}
{% macro to_timestamp(column, data_type) %}{{ return(adapter.dispatch('to_timestamp', 'pylon')(column, data_type)) }}{% endmacro %}

{% macro default__to_timestamp(column, data_type) %}
    {%- if 'with time zone' in data_type or 'timestamptz' in data_type -%}
        ({{ column }} at time zone 'UTC')
    {%- elif 'timestamp' in data_type and var('pylon_time_zone') != 'UTC' -%}
        (({{ column }} at time zone '{{ var('pylon_time_zone') }}') at time zone 'UTC')
    {%- elif 'timestamp' in data_type or data_type == 'date' -%}
        cast({{ column }} as timestamp)
    {%- else -%}
        (cast(nullif({{ column }}, '') as timestamp with time zone) at time zone 'UTC')
    {%- endif -%}
{% endmacro %}

{% macro snowflake__to_timestamp(column, data_type) %}
    {%- if 'ntz' in data_type and var('pylon_time_zone') != 'UTC' -%}
        convert_timezone('{{ var('pylon_time_zone') }}', 'UTC', {{ column }})
    {%- elif 'ntz' in data_type or data_type == 'date' -%}
        cast({{ column }} as timestamp_ntz)
    {%- elif 'timestamp' in data_type -%}
        cast(convert_timezone('UTC', {{ column }}) as timestamp_ntz)
    {%- else -%}
        cast(convert_timezone('UTC', to_timestamp_tz(nullif({{ column }}, ''))) as timestamp_ntz)
    {%- endif -%}
{% endmacro %}

{% macro bigquery__to_timestamp(column, data_type) %}
    {%- if data_type == 'string' -%}
        cast(nullif({{ column }}, '') as timestamp)
    {%- elif data_type == 'datetime' -%}
        timestamp({{ column }}, '{{ var('pylon_time_zone') }}')
    {%- else -%}
        cast({{ column }} as timestamp)
    {%- endif -%}
{% endmacro %}


{% macro to_json(column, data_type) %}{{ return(adapter.dispatch('to_json', 'pylon')(column, data_type)) }}{% endmacro %}

{% macro default__to_json(column, data_type) %}
    {%- if 'json' in data_type -%}
        nullif(cast({{ column }} as jsonb), cast('null' as jsonb))
    {%- else -%}
        nullif(cast(nullif(cast({{ column }} as text), '') as jsonb), cast('null' as jsonb))
    {%- endif -%}
{% endmacro %}

{% macro duckdb__to_json(column, data_type) %}
    {%- set value = column -%}
    {%- if data_type.startswith('varchar') or data_type == 'text' -%}
        {%- set value = 'cast(nullif(' ~ column ~ ", '') as json)" -%}
    {%- elif data_type != 'json' -%}
        {%- set value = 'to_json(' ~ column ~ ')' -%}
    {%- endif -%}
    case when json_type({{ value }}) <> 'NULL' then {{ value }} end
{% endmacro %}

{% macro snowflake__to_json(column, data_type) %}
    {%- if data_type in ('variant', 'object', 'array') -%}
        strip_null_value(to_variant({{ column }}))
    {%- else -%}
        strip_null_value(parse_json(nullif({{ column }}, '')))
    {%- endif -%}
{% endmacro %}

{% macro bigquery__to_json(column, data_type) %}
    {%- if data_type == 'string' -%}
        if(json_type(parse_json(nullif({{ column }}, ''))) = 'null', null, parse_json(nullif({{ column }}, '')))
    {%- elif data_type == 'json' -%}
        if(json_type({{ column }}) = 'null', null, {{ column }})
    {%- else -%}
        to_json({{ column }})
    {%- endif -%}
{% endmacro %}


{#- Text as a number, or null where it is none: answers to surveys and values of custom fields are text. -#}
{% macro number_or_null(text) %}{{ return(adapter.dispatch('number_or_null', 'pylon')(text)) }}{% endmacro %}

{% macro default__number_or_null(text) %}
    case when {{ text }} ~ '^\s*[-+]?[0-9]+(\.[0-9]+)?\s*$' then cast({{ text }} as double precision) end
{% endmacro %}

{% macro duckdb__number_or_null(text) %}
    case when regexp_full_match({{ text }}, '\s*[-+]?[0-9]+(\.[0-9]+)?\s*') then cast(trim({{ text }}) as double) end
{% endmacro %}

{% macro snowflake__number_or_null(text) %}try_to_double(trim({{ text }})){% endmacro %}

{% macro bigquery__number_or_null(text) %}safe_cast(trim({{ text }}) as float64){% endmacro %}


{#- A null of a kind, for the branches of a union. -#}
{% macro null_of(kind) %}cast(null as {{ pylon.type_of(kind) }}){% endmacro %}
