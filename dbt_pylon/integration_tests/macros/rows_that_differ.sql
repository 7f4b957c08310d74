{#-
  The rows by which a model differs from the seed that says what it should hold: none if the test passes. Compares the
  columns that the seed has, as the types that the model has.
-#}
{% macro rows_that_differ(model, expected) %}
    {%- if not execute -%}{{ return('select 1 where 1 = 0') }}{%- endif -%}
    {%- set types = {} -%}
    {%- for column in adapter.get_columns_in_relation(model) -%}
        {%- do types.update({column.name: column.dtype}) -%}
    {%- endfor -%}
    {%- set names = adapter.get_columns_in_relation(expected) | map(attribute='name') | list -%}
    {%- if not names -%}{{ exceptions.raise_compiler_error('the seed ' ~ expected ~ ' has no columns') }}{%- endif -%}
    with actual as (

        select {{ names | join(', ') }} from {{ model }}

    ),

    expected as (

        select
            {%- for name in names %}
            cast({{ name }} as {{ types[name] }}) as {{ name }}{{ ',' if not loop.last }}
            {%- endfor %}
        from {{ expected }}

    )

    select 'missing' as problem, missing.* from (select * from expected except all select * from actual) as missing
    union all
    select 'unexpected' as problem, unexpected.* from (select * from actual except all select * from expected) as unexpected
{% endmacro %}
