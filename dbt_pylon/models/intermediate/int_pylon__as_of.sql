-- One row: the time up to which the tables know Pylon. `pylon_as_of` sets another one.
{%- set as_of = var('pylon_as_of') %}
with times as (

    select max(updated_at) as latest from {{ ref('stg_pylon__issues') }}
    union all
    select max(latest_message_at) as latest from {{ ref('stg_pylon__issues') }}
    union all
    select max(submitted_at) as latest from {{ ref('stg_pylon__survey_responses') }}
    union all
    select max(started_at) as latest from {{ ref('stg_pylon__call_recordings') }}

)

select
    {%- if as_of %}
    cast('{{ as_of }}' as {{ pylon.type_of('timestamp') }}) as as_of
    {%- else %}
    max(latest) as as_of
    {%- endif %}
from times
