-- One row per survey response with the answer that is its score: the column `score` of newer versions, else the first
-- answer to a question of the type score.
with answers as (

    select
        responses.survey_response_id,
        {{ pylon.json_number(pylon.element('answer'), 'value') }} as score,
        {{ pylon.element_position('answer') }} as position
    from {{ ref('stg_pylon__survey_responses') }} as responses
    {{ pylon.unnest_array('responses.answers', 'answer') }}
    where {{ pylon.json_text(pylon.element('answer'), 'question_type') }} = 'score'

),

numbered as (

    select
        answers.*,
        row_number() over (partition by survey_response_id order by position) as first_first
    from answers
    where score is not null

),

scored as (

    select
        responses.*,
        coalesce(responses.score, numbered.score) as final_score,
        numbered.position as score_position
    from {{ ref('stg_pylon__survey_responses') }} as responses
    left join numbered
        on responses.survey_response_id = numbered.survey_response_id and numbered.first_first = 1

)

select
    survey_response_id,
    survey_id,
    survey_name,
    survey_type,
    account_id,
    contact_id,
    issue_id,
    submitted_at,
    is_excluded,
    score_position,
    final_score as score,
    case when survey_type = 'nps' then final_score end as nps_score,
    case
        when survey_type <> 'nps' or final_score < 0 or final_score > 10 then null
        when final_score >= 9 then 'promoter'
        when final_score >= 7 then 'passive'
        when final_score is not null then 'detractor'
    end as nps_category,
    case when survey_type = 'csat' then final_score end as csat_score,
    case when survey_type = 'csat' then final_score >= {{ var('pylon_csat_satisfied_from') }} end as is_csat_satisfied
from scored
