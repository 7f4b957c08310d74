-- One row per issue that was rated: the last of its ratings, in the order in which Pylon gives them.
with ratings as (

    select
        issues.issue_id,
        {{ pylon.json_number(pylon.element('rating'), 'score') }} as score,
        {{ pylon.json_text(pylon.element('rating'), 'comment') }} as comment_text,
        {{ pylon.element_position('rating') }} as position
    from {{ ref('stg_pylon__issues') }} as issues
    {{ pylon.unnest_array('issues.csat_responses', 'rating') }}

),

numbered as (

    select
        ratings.*,
        row_number() over (partition by issue_id order by position desc) as last_first
    from ratings
    where score is not null

)

select
    issue_id,
    score,
    comment_text
from numbered
where last_first = 1
