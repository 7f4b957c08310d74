{#- Time, aggregates and series, where databases differ. -#}

{#- Seconds from one time to another. -#}
{% macro seconds_between(begin, end) %}{{ return(adapter.dispatch('seconds_between', 'pylon')(begin, end)) }}{% endmacro %}
{% macro default__seconds_between(begin, end) %}cast(extract(epoch from ({{ end }} - {{ begin }})) as bigint){% endmacro %}
{% macro snowflake__seconds_between(begin, end) %}datediff('second', {{ begin }}, {{ end }}){% endmacro %}
{% macro bigquery__seconds_between(begin, end) %}timestamp_diff({{ end }}, {{ begin }}, second){% endmacro %}

{#- Days from one date to another. -#}
{% macro days_between(begin, end) %}{{ return(adapter.dispatch('days_between', 'pylon')(begin, end)) }}{% endmacro %}
{% macro default__days_between(begin, end) %}({{ end }} - {{ begin }}){% endmacro %}
{% macro snowflake__days_between(begin, end) %}datediff('day', {{ begin }}, {{ end }}){% endmacro %}
{% macro bigquery__days_between(begin, end) %}date_diff({{ end }}, {{ begin }}, day){% endmacro %}

{#- A date moved by a number of days. -#}
{% macro add_days(date, days) %}{{ return(adapter.dispatch('add_days', 'pylon')(date, days)) }}{% endmacro %}
{% macro default__add_days(date, days) %}({{ date }} + cast({{ days }} as integer)){% endmacro %}
{% macro snowflake__add_days(date, days) %}dateadd('day', {{ days }}, {{ date }}){% endmacro %}
{% macro bigquery__add_days(date, days) %}date_add({{ date }}, interval ({{ days }}) day){% endmacro %}

{#- The Monday of the week of a time or date. -#}
{% macro week_of(time) %}{{ return(adapter.dispatch('week_of', 'pylon')(time)) }}{% endmacro %}
{% macro default__week_of(time) %}cast(date_trunc('week', {{ time }}) as date){% endmacro %}
{% macro snowflake__week_of(time) %}dateadd('day', 1 - dayofweekiso({{ time }}), cast({{ time }} as date)){% endmacro %}
{% macro bigquery__week_of(time) %}date_trunc(cast({{ time }} as date), week(monday)){% endmacro %}

{#- The median of a number within a group; BigQuery's is approximate, because it has no exact one for groups. -#}
{% macro median(number) %}{{ return(adapter.dispatch('median', 'pylon')(number)) }}{% endmacro %}
{% macro default__median(number) %}percentile_cont(0.5) within group (order by {{ number }}){% endmacro %}
{% macro snowflake__median(number) %}median({{ number }}){% endmacro %}
{% macro bigquery__median(number) %}approx_quantiles({{ number }}, 2)[offset(1)]{% endmacro %}

{#- The texts of a group in one, in an order. -#}
{% macro joined(text, separator, order_by) %}{{ return(adapter.dispatch('joined', 'pylon')(text, separator, order_by)) }}{% endmacro %}
{% macro default__joined(text, separator, order_by) %}string_agg({{ text }}, {{ separator }} order by {{ order_by }}){% endmacro %}
{% macro snowflake__joined(text, separator, order_by) %}nullif(listagg({{ text }}, {{ separator }}) within group (order by {{ order_by }}), ''){% endmacro %}

{#- A line feed, as a literal that every database reads alike. -#}
{% macro line_feed() %}{{ return(adapter.dispatch('line_feed', 'pylon')()) }}{% endmacro %}
{% macro default__line_feed() %}chr(10){% endmacro %}
{% macro snowflake__line_feed() %}'\n'{% endmacro %}
{% macro bigquery__line_feed() %}'\n'{% endmacro %}

{#- A join that gives the numbers from 0 to count - 1, in `alias`; `series_number(alias)` is the number. -#}
{% macro series(count, alias) %}{{ return(adapter.dispatch('series', 'pylon')(count, alias)) }}{% endmacro %}

{% macro default__series(count, alias) %}
    cross join lateral generate_series(0, cast({{ count }} as integer) - 1) as {{ alias }} (number)
{% endmacro %}

{% macro duckdb__series(count, alias) %}
    cross join lateral (select unnest(range(cast({{ count }} as bigint))) as number) as {{ alias }}
{% endmacro %}

{% macro snowflake__series(count, alias) %}
    cross join lateral flatten(input => array_generate_range(0, {{ count }})) as {{ alias }}
{% endmacro %}

{% macro bigquery__series(count, alias) %}
    cross join unnest(generate_array(0, {{ count }} - 1)) as {{ alias }}_number
{% endmacro %}

{% macro series_number(alias) %}{{ return(adapter.dispatch('series_number', 'pylon')(alias)) }}{% endmacro %}
{% macro default__series_number(alias) %}{{ alias }}.number{% endmacro %}
{% macro snowflake__series_number(alias) %}cast({{ alias }}.value as integer){% endmacro %}
{% macro bigquery__series_number(alias) %}{{ alias }}_number{% endmacro %}

{#- Seconds as hours with two decimals. -#}
{% macro hours(seconds) %}{{ return(adapter.dispatch('hours', 'pylon')(seconds)) }}{% endmacro %}
{% macro default__hours(seconds) %}cast(round(cast({{ seconds }} as numeric) / 3600, 2) as {{ pylon.type_of('float') }}){% endmacro %}
{% macro duckdb__hours(seconds) %}round(cast({{ seconds }} as double) / 3600, 2){% endmacro %}
