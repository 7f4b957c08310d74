{#- Loaded tables as typed columns: what every staging model is made of. -#}

{#-
  The relation that holds a stream, or none where the stream was not loaded or is listed in pylon_disabled_streams.
  Without a connection, when dbt only parses, it is none as well.
-#}
{% macro loaded_relation(stream) %}
    {%- set declared = source('pylon', stream) -%}
    {%- if execute and stream not in var('pylon_disabled_streams', []) -%}
        {{ return(adapter.get_relation(database=declared.database, schema=declared.schema, identifier=declared.identifier)) }}
    {%- endif -%}
    {{ return(none) }}
{% endmacro %}


{#-
  A query that gives the columns of a stream with fixed names and types, one row per key.

  streams: the stream; or several, of which the first is used where it was loaded, else all the others together.
  columns: tuples of the name in the table, the kind (text, integer, float, boolean, timestamp, json) and the new name.
  key: the names, in the table, of the columns that identify a row.
  newest: the name, in the table, of a time by which the newest of several rows of one key is chosen, after the time
      at which the row was read. Destinations that append have several.

  A column that the table lacks becomes a typed null, and a stream that was not loaded becomes no rows.
-#}
{% macro stage(streams, columns, key, newest=none) %}
    {%- set relations = [] -%}
    {%- for stream in streams -%}
        {%- set relation = pylon.loaded_relation(stream) -%}
        {#- source() is called for every stream, so that dbt knows each as a parent. -#}
        {%- if relation is not none -%}{%- do relations.append((loop.first, relation)) -%}{%- endif -%}
    {%- endfor -%}
    {%- if relations and relations[0][0] -%}
        {%- set relations = relations[:1] -%}
    {%- endif -%}
    {%- set all_columns = columns + [('_airbyte_extracted_at', 'timestamp', 'extracted_at')] -%}
    {%- set aliases = {} -%}
    {%- for name, kind, alias in all_columns -%}{%- do aliases.update({name: alias}) -%}{%- endfor -%}
    {%- if not relations %}
    select
        {%- for name, kind, alias in all_columns %}
        cast(null as {{ pylon.type_of(kind) }}) as {{ alias }}{{ ',' if not loop.last }}
        {%- endfor %}
    from (select 1 as one) as nothing
    where 1 = 0
    {%- else %}
    select
        {%- for name, kind, alias in all_columns %}
        {{ alias }}{{ ',' if not loop.last }}
        {%- endfor %}
    from (
        select
            loaded.*,
            row_number() over (
                partition by {% for name in key %}{{ aliases[name] }}{{ ', ' if not loop.last }}{% endfor %}
                order by extracted_at desc nulls last{% if newest %}, {{ aliases[newest] }} desc nulls last{% endif %}
            ) as newest_first
        from (
            {%- for is_first, relation in relations %}
            select
                {{ pylon.typed_columns(relation, all_columns) | indent(16) }}
            from {{ relation }}
            {%- if not loop.last %}
            union all
            {%- endif %}
            {%- endfor %}
        ) as loaded
    ) as numbered
    where newest_first = 1
    {%- endif %}
{% endmacro %}


{#- The select list of `stage`: each column cast to its kind, or a typed null where the relation has no such column. -#}
{% macro typed_columns(relation, columns) %}
    {%- set present = {} -%}
    {%- for column in adapter.get_columns_in_relation(relation) -%}
        {%- do present.update({column.name | lower: column}) -%}
    {%- endfor -%}
    {%- for name, kind, alias in columns %}
        {%- set column = present.get(name) %}
        {%- if column is none %}
cast(null as {{ pylon.type_of(kind) }}) as {{ alias }}
        {%- else %}
{{ pylon.to_kind(adapter.quote(column.name), column.dtype | lower, kind) }} as {{ alias }}
        {%- endif %}
        {{- ',' if not loop.last }}
    {%- endfor %}
{% endmacro %}
